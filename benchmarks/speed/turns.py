"""Takes the turns of a contest, one after the other, and keeps what each came to."""

import asyncio
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks import start
from benchmarks.material import Material
from benchmarks.speed import ours, peers, sets
from benchmarks.speed.contests import CONTESTS, Alone, Contest, Loader, Ours, Peer, Start, Turn
from benchmarks.speed.samples import Kept, Sample
from benchmarks.table import CHECKOUT
from examples.demo.daemon import running

QUICK_EPOCHS = 2
_ANOTHER_SEED = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """What all turns share."""

    given: Material
    python: Path
    """Interpreter of the peers' environment."""
    kept: Kept
    repeats: int
    until: float
    """By the monotonic clock: later than that no contest begins another round."""
    is_quick: bool


def contests(session: Session, names: Sequence[str]) -> None:
    """Take all turns that are missing, in rounds: each contest has one before any has two."""
    names = [name for name in names if name not in session.kept.whole]
    for repeat in range(session.repeats):
        for name in names:
            is_late = repeat > 0 and time.monotonic() > session.until
            if repeat < CONTESTS[name].rounds and not is_late:
                _round(session, name, repeat)
    for name in names:
        session.kept.ended(name)


def _round(session: Session, name: str, repeat: int) -> None:
    for contestant in taking_part(session.kept, name, repeat, is_quick=session.is_quick):
        if len(session.kept.of(name, contestant)) > repeat:
            continue
        for whose, sample in _taken(session, CONTESTS[name], contestant, repeat).items():
            session.kept.add(name, whose, sample)
            print(f"  {name}, {whose}: {_said(sample)}", file=sys.stderr, flush=True)


def taking_part(kept: Kept, name: str, repeat: int, *, is_quick: bool = False) -> list[str]:
    """Return whose turn it is: of a tuned peer all worker counts at first, then the best one."""
    turns = CONTESTS[name].turns
    if is_quick:
        return [each for each, turn in turns.items() if not _is_tuned(turn) or not _workers(turn)]
    if repeat == 0:
        return list(turns)
    return [
        each
        for each, turn in turns.items()
        if not _is_tuned(turn) or each == _best_of_peer(kept, name, turn)
    ]


def _best_of_peer(kept: Kept, name: str, turn: Turn) -> str:
    assert isinstance(turn, Peer)
    same = [
        each
        for each, other in CONTESTS[name].turns.items()
        if isinstance(other, Peer) and other.is_tuned and other.peer == turn.peer
    ]
    known = [each for each in same if kept.of(name, each)]
    return min(known, key=lambda each: min(kept.of(name, each)[0].epochs_s), default=same[0])


def _is_tuned(turn: Turn) -> bool:
    return isinstance(turn, Peer) and turn.is_tuned


def _workers(turn: Turn) -> int | None:
    return turn.workers if isinstance(turn, Peer) else None


def _taken(session: Session, on: Contest, contestant: str, repeat: int) -> dict[str, Sample]:
    photos = sets.folder(on.photos, is_quick=session.is_quick)
    turn = on.turns[contestant]
    with TemporaryDirectory() as name:
        at = _Place(session=session, on=on, photos=photos, folder=Path(name), seed=repeat)
        match turn:
            case Peer():
                return {contestant: asyncio.run(at.peer(turn))}
            case Ours():
                return asyncio.run(at.ours(turn, contestant))
            case Alone():
                return {contestant: asyncio.run(at.alone(turn))}
            case Loader():
                return {contestant: asyncio.run(at.loader(turn))}
            case Start():
                return {contestant: asyncio.run(at.start(turn))}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """Where one turn is taken."""

    session: Session
    on: Contest
    photos: Path
    folder: Path
    seed: int

    async def peer(self, turn: Peer) -> Sample:
        task = self.on.work.task(
            turn.peer, self.photos, epochs=self._epochs(turn.epochs), seed=self.seed,
            workers=turn.workers, is_tuned=turn.is_tuned,
        )  # fmt: skip
        session = self.session
        return await peers.run(task, python=session.python, given=session.given, folder=self.folder)

    async def ours(self, turn: Ours, contestant: str) -> dict[str, Sample]:
        """Submit to a daemon of its own, whose caches are empty; and again where asked."""
        found = {}
        environment = self.session.given.environment()
        async with running(self.folder / "state", environment=environment) as daemon:
            await ours.warm(daemon)
            job = self._job(turn.epochs, turn.precision)
            found[contestant] = await ours.submitted(
                daemon, job, name="first", folder=self.folder, is_weighed=turn.is_weighed
            )
            if turn.again is not None:
                job = self._job(turn.epochs, turn.precision, seed=self.seed + _ANOTHER_SEED)
                found[turn.again] = await ours.submitted(
                    daemon, job, name="again", folder=self.folder, is_cached=True
                )
        return found

    async def alone(self, turn: Alone) -> Sample:
        job = self._job(turn.epochs, turn.precision)
        return await ours.alone(job, given=self.session.given, folder=self.folder)

    async def loader(self, turn: Loader) -> Sample:
        file = self.folder / "job.json"
        file.write_text(json.dumps(self._job(turn.epochs, "fp32")))
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "benchmarks.speed.loading", str(file)),
            cwd=CHECKOUT, stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        said, _ = await process.communicate()
        if process.returncode:
            raise SystemExit(f"our loader ended with {process.returncode}")
        return Sample(**json.loads(said))

    async def start(self, turn: Start) -> Sample:
        """Return the median of several starts."""
        times = 1 if self.session.is_quick else turn.times
        seconds = await (self._scripts(times) if turn.what == "script" else self._jobs(turn, times))
        return Sample(whole_s=sorted(seconds)[len(seconds) // 2], epochs_s=seconds)

    async def _scripts(self, times: int) -> list[float]:
        task = self.on.work.task("tutorial", self.photos, epochs=1, seed=self.seed, workers=0)
        session = self.session
        return [await start.script(session.given, task, session.python) for _ in range(times)]

    async def _jobs(self, turn: Start, times: int) -> list[float]:
        environment = self.session.given.environment()
        async with running(self.folder / "state", environment=environment) as daemon:
            if turn.what == "job, cached":
                before = await daemon.client.submit(self._job(2, "auto", seed=_ANOTHER_SEED))
                (await before.wait()).check()
            await start.ours(daemon, self._job(25, "auto"))  # Its plan is known from here on.
            return [await start.ours(daemon, self._job(25, "auto")) for _ in range(times)]

    def _job(self, epochs: int, precision: str, *, seed: int | None = None) -> dict[str, object]:
        return self.on.work.job(
            self.photos, seed=self.seed if seed is None else seed,
            epochs=self._epochs(epochs), precision=precision,
        )  # fmt: skip

    def _epochs(self, epochs: int) -> int:
        return min(epochs, QUICK_EPOCHS) if self.session.is_quick else epochs


def _said(sample: Sample) -> str:
    epochs = ", ".join(f"{each:.2f}" for each in sample.epochs_s)
    right = f"; {sample.correct} of {sample.count}" if sample.count else ""
    return f"{sample.whole_s:.2f} s ({epochs}){right}; {sample.peak_mb:.0f} MB"
