"""A real Prometheus answers whatever the dashboards, the rules and the alerts ask of it.

Alerts that take longer than 30 s to fire are made to fire by promtool: test_promtool.py.
"""

import asyncio
import subprocess
import time
import urllib.request
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass

import pytest
import pytest_asyncio

from ftctl import AsyncClient, AsyncJobHandle, JobNotFound
from tests.observe import expressions
from tests.observe.expressions import Expression
from tests.observe.prometheus import Prometheus, tool
from tests.observe.scene import Scene, digits, diverging, scene, submit

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.timeout(300),
    pytest.mark.slow,
]

LIMIT_S = 150.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Play:
    """A scene with jobs that run."""

    scene: Scene
    jobs: tuple[AsyncJobHandle, ...]
    """One on a simulated device and one on the processor, which go on for as long as it takes."""

    @property
    def prometheus(self) -> Prometheus:
        """The one that watches."""
        return self.scene.prometheus

    def choices(self) -> list[Mapping[str, str]]:
        """Return what a user may choose at the top of a dashboard."""
        fixed = {"__rate_interval": "20s", "instance": ".+", "device": ".+"}
        return [{**fixed, "job_id": job.id, "name": job.name} for job in self.jobs]


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def play(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Play]:
    """Jobs that train, wait, end and fail, and a card that reports an error."""
    async with scene(tmp_path_factory.mktemp("scene")) as stage:
        assert await until(stage.is_seen, stage.simulated)
        stage.report_xid()
        long = digits("long", epochs=100_000, resources={"memory": "1GiB"})
        jobs = await submit(stage.simulated, long)
        jobs += await submit(stage.processor, digits("also-long", epochs=100_000))
        await submit(stage.simulated, *(digits(f"short-{n}") for n in range(3)))
        await submit(stage.simulated, *(diverging(f"diverging-{n}") for n in range(3)))
        yield Play(scene=stage, jobs=tuple(jobs))


async def until(
    condition: Callable[[], bool], client: AsyncClient, *, limit_s: float = LIMIT_S
) -> bool:
    """Call the daemon until a condition holds; return whether it ever did."""
    end = time.monotonic() + limit_s
    while not await asyncio.to_thread(condition):
        if time.monotonic() > end:
            return False
        await client.devices()
        with pytest.raises(JobNotFound):
            await client.get("nobody")
    return True


async def unanswered(
    play: Play, asked: list[Expression], *, limit_s: float = LIMIT_S
) -> list[Expression]:
    """Return the expressions that had no data within the limit, for any choice."""
    left = list(asked)

    def all_are_answered() -> bool:
        left[:] = [expression for expression in left if not is_answered(play, expression)]
        return not left

    await until(all_are_answered, play.scene.simulated, limit_s=limit_s)
    return left


def is_answered(play: Play, expression: Expression) -> bool:
    """Whether an expression has data for one of the choices."""
    texts = {expression.filled(choice) for choice in play.choices()}
    return any(play.prometheus.values(text) for text in texts)


async def test_every_expression_of_dashboards_and_rules_has_data(
    play: Play, capsys: pytest.CaptureFixture[str]
) -> None:
    panels, recorded = expressions.of_dashboards(), expressions.of_recording_rules()

    left = await unanswered(play, panels + recorded)

    assert [str(expression) for expression in left] == []
    with capsys.disabled():
        print(f"\n{len(panels)} expressions of dashboards, {len(recorded)} of recording rules")


async def test_an_expression_without_data_is_found(play: Play) -> None:
    known = Expression(where="here", text="ftd_zygote_up")
    unknown = Expression(where="here", text="ftd_zygote_down")

    assert await unanswered(play, [known, unknown], limit_s=1) == [unknown]


async def test_every_variable_has_something_to_choose(play: Play) -> None:
    variables = expressions.of_variables()

    def are_filled() -> bool:
        return all(
            any(series.get(label) for series in play.prometheus.labels(expression.filled(choice)))
            for expression, label in variables
            for choice in play.choices()
        )

    assert len(variables) == 5
    assert await until(are_filled, play.scene.simulated)


async def test_every_quick_alert_fires_and_no_slow_one(
    play: Play, capsys: pytest.CaptureFixture[str]
) -> None:
    quick = {alert.name for alert in expressions.alerts() if not alert.is_slow}

    def firing() -> set[str]:
        found = play.prometheus.labels('ALERTS{alertstate="firing"}')
        return {series["alertname"] for series in found}

    assert quick == {"FtdXid", "FtdJobsFailing"}
    assert await until(lambda: quick <= firing(), play.scene.simulated)
    assert firing() == quick
    with capsys.disabled():
        print(f"\n{len(quick)} alerts made to fire")


async def test_every_alert_can_be_asked(play: Play) -> None:
    for alert in expressions.alerts():
        play.prometheus.ask("query", query=alert.expression.text)


async def test_promtool_finds_nothing_in_what_the_daemons_tell(play: Play) -> None:
    for target in play.scene.targets:
        told = await asyncio.to_thread(read, f"http://{target}/metrics")

        found = await asyncio.to_thread(
            subprocess.run, [tool("promtool"), "check", "metrics"], input=told, capture_output=True
        )

        assert (found.returncode, found.stdout, found.stderr) == (0, b"", b"")
        assert len(told.splitlines()) > 100


def read(url: str) -> bytes:
    """Return what an address says."""
    with urllib.request.urlopen(url, timeout=10) as answer:
        text: bytes = answer.read()
        return text
