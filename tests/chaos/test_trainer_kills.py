"""The trainer dies by kill -9 in every phase; what comes out is bit for bit what would have."""

import copy
import json
import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import pytest
from torch import Tensor

from fttrain import keeping
from fttrain.events import Finished, Resumed
from fttrain.models import tensors
from fttrain.spec import recipe as recipes
from fttrain.spec import rundir
from fttrain.spec.recipe import Recipe
from tests import engine
from tests.chaos import trainers, varied
from tests.chaos.alike import differences
from tests.chaos.figures import Figures
from tests.chaos.trainers import PHASES, Phase, Zygote
from tests.photos import make_photo_folder

CARD = "finetuned_checkpoint"
LATE_S = {"start-up": 0.3, "mid-step": 0.03, "evaluation": 0.02, "export": 0.4}
"""By phase, how long after its begin a kill comes at the latest; others are over too soon."""
KILLS_PER_JOB = 5
MOST_JOBS = 60


@pytest.fixture(scope="module")
def zygote(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Zygote]:
    with trainers.zygote(tmp_path_factory.mktemp("zygote") / "log.txt") as running:
        yield running


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """22 photos: batches do not come out even, nor do the prefix's chunks of 16."""
    root = tmp_path_factory.mktemp("kills") / "photos"
    return make_photo_folder(root, per_class=11, val_per_class=9)


@dataclass(frozen=True, slots=True, kw_only=True)
class Broken:
    """A job whose trainers were killed."""

    kills: list[Phase]
    missed: list[Phase]
    resumed: int
    found: list[str]
    """What differs from the unbroken run."""


class Job:
    """One recipe, worked on unbroken and broken."""

    def __init__(self, root: Path, recipe: Recipe, zygote: Zygote) -> None:
        self.root = root / "broken"
        self.zygote = zygote
        self.texts = recipes.canonical(recipe), engine.planned(recipe).model_dump_json()
        self.whole = trainers.prepare(root / "whole", 1, *self.texts)
        self.attempts: list[Path] = []
        told = zygote.start(self.whole).wait()
        assert isinstance(told[-1], Finished), told[-1]

    def attempt(self) -> trainers.Trainer:
        """Start the next attempt of the broken run."""
        number = len(self.attempts) + 1
        self.attempts.append(trainers.prepare(self.root, number, *self.texts))
        return self.zygote.start(self.attempts[-1])

    def copied(self, name: str) -> "Job":
        """Return the same job at the same point, in a folder of its own."""
        job = copy.copy(self)
        job.root = self.root.with_name(name)
        shutil.copytree(self.root, job.root)
        job.attempts = [job.root / attempt.name for attempt in self.attempts]
        return job

    def differences(self) -> list[str]:
        """Bring the broken run to its end; return how it differs from the unbroken one."""
        told = self.attempt().wait()
        if not isinstance(told[-1], Finished):
            return [f"the run ended with {told[-1]}"]
        return differences(self.whole, self.attempts)


def broken(job: Job, phases: Sequence[Phase], chance: Random) -> Broken:
    """Kill a job's trainer in each of the phases; the last ones lie at the end of a run."""
    kills: list[Phase] = []
    ahead = sorted(phases, key="export".__eq__)
    for phase in ahead:
        epoch = chance.randrange(3) if phase not in ("start-up", "export") else 0
        late = LATE_S.get(phase, 0.0) * chance.random()
        if not job.attempt().kill_in(_phase(phase, epoch), after_s=late):
            break  # It went by too soon, and the run has come to its end.
        kills.append(phase)
    missed = ahead[len(kills) :]
    found = job.differences()
    told = [record for each in job.attempts for record in engine.records(each)]
    resumed = sum(isinstance(record, Resumed) for record in told)
    return Broken(kills=kills, missed=missed, resumed=resumed, found=found)


def _phase(wanted: Phase, epoch: int) -> Callable[[Phase, int], bool]:
    return lambda phase, now: phase == wanted and now >= epoch


def play(
    root: Path, zygote: Zygote, photos: Path, *, seed: int, deck: list[Phase]
) -> dict[str, Broken]:
    """Kill trainers in all phases of a deck, a few per recipe; return what came of each recipe."""
    chance = Random(f"trainer {seed}")
    played: dict[str, Broken] = {}
    chance.shuffle(deck)
    while deck and len(played) < MOST_JOBS:
        recipe = varied.recipe(len(played), chance, photos)
        phases, deck = deck[:KILLS_PER_JOB], deck[KILLS_PER_JOB:]
        job = Job(root / str(len(played)), recipe, zygote)
        played[recipes.digest(recipe)] = done = broken(job, phases, chance)
        deck += done.missed
    return played


def test_8_kills_of_the_trainer_change_no_bit(
    tmp_path: Path, zygote: Zygote, photos: Path, seed: int
) -> None:
    """R1: a run that is killed goes on where it was, to the same weights and figures."""
    deck: list[Phase] = [*PHASES, "mid-step", "checkpoint write"]
    played = play(tmp_path, zygote, photos, seed=seed, deck=deck)

    assert [job.found for job in played.values() if job.found] == []
    assert sum(len(job.kills) for job in played.values()) == 8


@pytest.mark.chaos
@pytest.mark.timeout(1800)
def test_60_kills_of_the_trainer_change_no_bit(
    tmp_path: Path, zygote: Zygote, photos: Path, seed: int, figures: Figures
) -> None:
    """R1: a run that is killed goes on where it was, to the same weights and figures."""
    began = time.monotonic()
    played = play(tmp_path, zygote, photos, seed=seed, deck=[*PHASES] * 10)
    counted = Counter(phase for job in played.values() for phase in job.kills)
    identical = sum(len(job.kills) for job in played.values() if not job.found)
    figures.tell(
        "60 kills of the trainer",
        **{phase.replace("-", "_").replace(" ", "_"): counted[phase] for phase in PHASES},
        recipes=len(played),
        resumed=sum(job.resumed for job in played.values()),
        identical=f"{identical} of {counted.total()}",
        seconds=time.monotonic() - began,
    )

    assert [job.found for job in played.values() if job.found] == []
    assert min(counted[phase] for phase in PHASES) >= 8
    assert counted.total() >= 60


# --- controls: the comparison sees what a checkpoint would lack ---------------------------------


Strip = Callable[[dict[str, Tensor], dict[str, Any]], dict[str, Tensor]]
STEPS_PER_EPOCH = 10


def nothing(held: dict[str, Tensor], card: dict[str, Any]) -> dict[str, Tensor]:
    """Leave a checkpoint as it is."""
    return held


def position(held: dict[str, Tensor], card: dict[str, Any]) -> dict[str, Tensor]:
    """Leave out how many batches of the epoch were trained on: it begins again."""
    card["step"] -= card["step"] % STEPS_PER_EPOCH
    del card["partial"]
    return held


def mean(held: dict[str, Tensor], card: dict[str, Any]) -> dict[str, Tensor]:
    """Leave out the mean of the weights: it begins with the weights as they are."""
    card["averaged"] = 0
    live = {n.removeprefix("live/"): t for n, t in held.items() if n.startswith("live/")}
    return held | {f"model/{name}": tensor.clone() for name, tensor in live.items()}


def optimizer(held: dict[str, Tensor], card: dict[str, Any]) -> dict[str, Tensor]:
    """Leave out the optimizer's state."""
    return {name: tensor for name, tensor in held.items() if not name.startswith("optimizer/")}


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory, zygote: Zygote) -> Job:
    """A job whose trainer was killed, with its last checkpoint amid an epoch."""
    rule = {"steps": 3, "minutes": None}
    recipe = engine.digits(epochs=20, ema={"decay": 0.9, "every": 2}, checkpoint=rule)
    job = Job(tmp_path_factory.mktemp("stripped"), recipe, zygote)
    trainer = job.attempt()
    folder = job.attempts[-1] / rundir.STEPS

    def is_amid_an_epoch(phase: Phase, epoch: int) -> bool:
        return phase == "mid-step" and epoch >= 2 and _newest(folder) % STEPS_PER_EPOCH > 0

    assert trainer.kill_in(is_amid_an_epoch, after_s=0.0)
    return job


@pytest.mark.parametrize("strip", [nothing, position, mean, optimizer])
def test_what_a_checkpoint_lacks_is_seen(killed: Job, strip: Strip) -> None:
    job = killed.copied(strip.__name__)
    path = keeping.place(job.attempts[-1], _newest(job.attempts[-1] / rundir.STEPS))
    contents = tensors.read(path)
    card = json.loads(contents.metadata[CARD])
    held = strip(dict(contents.tensors), card)
    path.write_bytes(tensors.sealed(held, {CARD: json.dumps(card)}))

    assert bool(job.differences()) is (strip is not nothing)


def _newest(folder: Path) -> int:
    return max((int(path.stem) for path in folder.glob("[0-9]*")), default=0)
