"""What a notebook shows: small, escaped, without scripts, readable on dark and on light."""

import re
from dataclasses import replace
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path

import pytest

import ftctl
from ftctl import html
from ftctl.testing import FakeDaemon

GOLDEN = Path(__file__).parent.parent.parent / "golden" / "help"
EVIL = "<script>alert(1)</script>"
JOB = {"name": "cars", "data": {"digits": {}}, "model": {"cnn": {}}, "train": {"epochs": 2}}


@pytest.fixture(scope="module")
def shown():
    """Everything that shows itself, by its kind."""
    with FakeDaemon(devices=2) as daemon, ftctl.Client(daemon.socket) as client:
        handle = client.submit(JOB)
        job = handle.wait()
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("XDG_CACHE_HOME", str(daemon.socket.parent / "cache"))
            client.push_dataset("golden", GOLDEN)
        return {
            "client": client, "handle": handle, "job": job, "plan": job.plan,
            "dataset": client.dataset("golden"), "datasets": client.datasets(),
            "jobs": client.jobs(), "devices": client.devices(), "device": client.devices()[0],
            "metrics": handle.metrics(), "daemon": daemon,
        }  # fmt: skip


class Balanced(HTMLParser):
    """Finds tags that are not closed in their order."""

    def __init__(self, text):
        super().__init__()
        self.open, self.seen = [], set()
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.open.append(tag)
        self.seen.add(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


KINDS = [
    "dataset",
    "datasets",
    "client",
    "handle",
    "job",
    "plan",
    "jobs",
    "devices",
    "device",
    "metrics",
]


@pytest.mark.parametrize("kind", KINDS)
def test_a_notebook_shows_sound_html_without_scripts(shown, kind):
    page = Balanced(shown[kind]._repr_html_())

    assert page.open == []
    assert page.seen <= {"div", "b", "span", "table", "thead", "tbody", "tr", "th", "td"}


@pytest.mark.parametrize("kind", KINDS)
def test_it_takes_the_colours_of_the_page(shown, kind):
    text = shown[kind]._repr_html_()

    grounds = set(re.findall(r"background:([^;\"]+)", text))
    assert grounds <= {"none", "rgba(128,128,128,.08)"}
    assert "color:inherit" in text


@pytest.mark.parametrize("kind", KINDS)
def test_a_repr_is_short_and_readable(shown, kind):
    lines = repr(shown[kind]).splitlines()

    assert max(map(len, lines)) <= 200
    assert "object at 0x" not in lines[0]


def test_reprs_say_the_essentials(shown):
    job = shown["job"]

    assert repr(job) == (
        f"<Job cars ({job.id[:8]}): succeeded, epoch 2/2, best 75.0 % after epoch 2>"
    )
    assert repr(shown["handle"]) == f"<JobHandle cars ({job.id[:8]})>"
    assert repr(shown["client"]) == f"<Client of the daemon at {shown['daemon'].socket}>"
    assert repr(shown["device"]) == "<Device sim0 (simulated): free, 0.0 of 4.0 GiB>"
    assert repr(shown["plan"]).startswith("<Plan: 240 training + 60 validation images, 2 classes;")
    assert repr(shown["devices"]).splitlines()[0] == "id    name       state  memory          " + (
        "busy %  °C  jobs"
    )
    assert repr(shown["metrics"]).splitlines()[2].split()[:5] == [
        "2", "0.735", "74.6", "0.735", "75.0",
    ]  # fmt: skip


def test_a_plan_of_another_version_is_no_error():
    assert repr(ftctl.Plan(format=9)) == "<Plan: of another version>"
    assert Balanced(ftctl.Plan(format=9, groups=3 * [{}])._repr_html_()).open == []


def test_empty_tables_say_so():
    assert [repr(kind()) for kind in (ftctl.Jobs, ftctl.Devices, ftctl.Metrics)] == [
        "<no jobs>", "<no devices>", "<no epochs yet>",
    ]  # fmt: skip
    assert "0 jobs" in ftctl.Jobs()._repr_html_()


def test_what_users_and_workers_wrote_is_escaped(shown):
    job = replace(shown["job"], name=EVIL, reason=EVIL, state=ftctl.JobState.QUEUED, run_dir=EVIL)

    for text in (job._repr_html_(), ftctl.Jobs([job])._repr_html_()):
        assert "<script" not in text
        assert "&lt;script&gt;" in text


def test_facts_without_value_are_left_out_and_times_are_local():
    moment = datetime(2026, 11, 21, 8, 0, tzinfo=UTC)

    text = html.card("title", [("a", None), ("b", ""), ("when", moment)], hint="next")

    assert re.findall(r"<td [^>]*opacity[^>]*>([^<]*)</td>", text) == ["when"]
    assert moment.astimezone().strftime("%Y-%m-%d %H:%M:%S %Z") in text
    assert text.endswith("next</div></div>")
