"""Sizes, time spans and moments in a job file, and what one is told where they are none."""

import time
from datetime import UTC, datetime, timedelta

import pytest

import ftctl
from ftctl import quantity, request, wire

NOW = datetime(2026, 11, 21, 20, 0, tzinfo=UTC)
LOCAL = "write 2026-11-22T08:00:00+01:00, or 22:00 for the next time that it is so late"


@pytest.fixture
def berlin(monkeypatch):
    """A workstation one hour east of Greenwich, two in summer."""
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def faults(text, **overrides):
    file = ftctl.JobFile.parse(text, label="job.yaml", overrides=overrides)
    return [str(fault) for fault in file.faults]


# --- memory ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("512MiB", 512 * 2**20),
        ("11GiB", 11 * 2**30),
        ("16GB", 16 * 10**9),
        (" 1.5 GiB ", 3 * 2**29),
        ("0.7TB", 700 * 10**9),
        ("2048KiB", 2**21),
        ("11811160064", 11 * 2**30),
        ("11811160064B", 11 * 2**30),
        (11811160064, 11 * 2**30),
    ],
)
def test_a_size_is_read_to_the_byte(written, meant):
    assert quantity.size(written) == meant


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("lots", 'must be a size such as 512MiB, 11GiB, 16GB or a number of bytes, not "lots"'),
        ("11G", 'must be a size such as 512MiB, 11GiB, 16GB or a number of bytes, not "11G"'),
        ("-3GiB", 'must be a size such as 512MiB, 11GiB, 16GB or a number of bytes, not "-3GiB"'),
        ("1.5", "must be a size such as 512MiB, 11GiB, 16GB or a number of bytes, not 1.5"),
        ("true", "must be a size such as 512MiB, 11GiB, 16GB or a number of bytes, not true"),
        ("[1]", "must be a size such as 512MiB, 11GiB, 16GB or a number of bytes, not [1]"),
        ("11", "must be at least 1MiB, not 11 bytes; did you mean 11GiB?"),
        ("0", "must be at least 1MiB, not 0 bytes"),
        ("-5", "must be at least 1MiB, not -5 bytes"),
        ("900KiB", "must be at least 1MiB, not 921,600 bytes"),
        ("9000000TiB", '"9000000TiB" is out of range'),
    ],
)
def test_what_is_no_size_is_told_with_its_place(written, told):
    assert faults(f"name: x\nresources: {{devices: 1, memory: {written}}}\n") == [
        f"job.yaml:2:25: resources.memory: {told}"
    ]


# --- timeout --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("2h30m", 9000), ("2h 30min", 9000), ("90s", 90), ("1.5h", 5400), ("1d", 86400),
        (3600, 3600), (1.5, 1.5), ("1s", 1), (1, 1),
    ],
)  # fmt: skip
def test_a_time_span_is_read_in_seconds(written, seconds):
    assert quantity.span(written) == timedelta(seconds=seconds)


def test_a_job_may_make_room_at_once():
    assert quantity.span(0, least=0) == timedelta(0)
    assert quantity.span("0s", least=0) == timedelta(0)
    with pytest.raises(ValueError, match=r"must be at least 0s, not -1"):
        quantity.span(-1, least=0)


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("soon", 'must be a time span such as 2h30m, 90s or a number of seconds, not "soon"'),
        ("2h30", 'must be a time span such as 2h30m, 90s or a number of seconds, not "2h30"'),
        ("2:30", 'must be a time span such as 2h30m, 90s or a number of seconds, not "2:30"'),
        ("true", "must be a time span such as 2h30m, 90s or a number of seconds, not true"),
        ("{h: 2}", 'must be a time span such as 2h30m, 90s or a number of seconds, not {"h": 2}'),
        ("0", "must be at least 1s, not 0"),
        ("-3", "must be at least 1s, not -3"),
        ("0.5s", 'must be at least 1s, not "0.5s"'),
        ("1e12", "1000000000000.0 is out of range"),
        ("4000000d", '"4000000d" is out of range'),
    ],
)
def test_what_is_no_time_span_is_told_with_its_place(written, told):
    assert faults(f"name: x\ntimeout: {written}\n") == [f"job.yaml:2:1: timeout: {told}"]


# --- not_before -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("2026-11-22T08:00:00+01:00", datetime(2026, 11, 22, 7, 0, tzinfo=UTC)),
        ("2026-11-22T08:00Z", datetime(2026, 11, 22, 8, 0, tzinfo=UTC)),
        # Without a zone: the workstation's own time, in winter and in summer.
        ("2026-11-22 08:00", datetime(2026, 11, 22, 7, 0, tzinfo=UTC)),
        ("2027-07-01T08:00", datetime(2027, 7, 1, 6, 0, tzinfo=UTC)),
        ("2026-11-23", datetime(2026, 11, 22, 23, 0, tzinfo=UTC)),
        # It is 21:00 in Berlin: later today, or tomorrow.
        ("22:00", datetime(2026, 11, 21, 21, 0, tzinfo=UTC)),
        ("8:30", datetime(2026, 11, 22, 7, 30, tzinfo=UTC)),
        ("21:00", datetime(2026, 11, 22, 20, 0, tzinfo=UTC)),
        ("22:00Z", datetime(2026, 11, 21, 22, 0, tzinfo=UTC)),
        ("01:00+09:00", datetime(2026, 11, 22, 16, 0, tzinfo=UTC)),
    ],
)
def test_a_moment_is_the_workstations_where_it_names_no_zone(berlin, written, meant):
    assert quantity.moment(written, now=NOW) == meant


def test_the_next_time_so_late_minds_the_change_of_clocks(berlin):
    # On 2026-10-25 Berlin goes back from 3:00 to 2:00: that day has 25 hours.
    before = datetime(2026, 10, 24, 20, 30, tzinfo=UTC)

    assert quantity.moment("22:00", now=before) == datetime(2026, 10, 25, 21, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("tomorrow", f'must be a moment, not "tomorrow"; {LOCAL}'),
        ("22", f"must be a moment, not 22; {LOCAL}"),
        ("20261122", f"must be a moment, not 20261122; {LOCAL}"),
        ("in 2h", f'must be a moment, not "in 2h"; {LOCAL}'),
        ("[8:00]", f'must be a moment, not ["8:00"]; {LOCAL}'),
        ("25:00", f'there is no such moment as "25:00"; {LOCAL}'),
        ("2026-02-30T08:00", f'there is no such moment as "2026-02-30T08:00"; {LOCAL}'),
        ("2026-11-22T08:00+1", f'there is no such moment as "2026-11-22T08:00+1"; {LOCAL}'),
        ("0001-01-01T00:00+23:00",
         f'there is no such moment as "0001-01-01T00:00+23:00"; {LOCAL}'),
    ],
)  # fmt: skip
def test_what_is_no_moment_is_told_with_its_place(written, told):
    assert faults(f"name: x\nnot_before: {written}\n") == [f"job.yaml:2:1: not_before: {told}"]


# --- from the file to the wire --------------------------------------------------------------


def test_the_words_reach_the_wire(berlin):
    job = {
        "resources": {"devices": 2, "memory": "11GiB"}, "timeout": "2h30m", "not_before": "22:00",
    }  # fmt: skip

    spec = wire.spec(request.build(job, now=NOW))

    assert (spec.resources.devices, spec.resources.memory_bytes) == (2, 11 * 2**30)
    assert spec.timeout.seconds == 9000
    assert spec.not_before.ToJsonString() == "2026-11-21T21:00:00Z"


@pytest.mark.parametrize(
    "text", ["", "resources:\ntimeout:\nnot_before:\n", "resources: {memory: }"]
)
def test_words_without_a_value_are_absent_on_the_wire(text):
    file = ftctl.JobFile.parse(f"name: x\n{text}")

    spec = wire.spec(file.request)

    assert file.faults == ()
    assert not spec.HasField("timeout")
    assert not spec.HasField("not_before")
    assert not spec.resources.HasField("memory_bytes")


def test_the_words_can_be_set_beside_the_file():
    text = "timeout: soon\nresources: {memory: 11}\n"
    overrides = {"timeout": "90s", "resources.memory": "2GiB", "not_before": "2026-11-22T08:00Z"}

    file = ftctl.JobFile.parse(text, overrides=overrides)

    assert file.faults == ()
    assert file.request.timeout == timedelta(seconds=90)
    assert file.request.memory_bytes == 2**31
    assert file.request.not_before == datetime(2026, 11, 22, 8, tzinfo=UTC)
    assert faults("name: x", timeout="soon") == [
        '--set timeout: must be a time span such as 2h30m, 90s or a number of seconds, not "soon"'
    ]


@pytest.mark.parametrize("key", ["memory", "devices"])
def test_what_a_job_needs_of_the_machine_stands_under_resources(key):
    assert faults(f"{key}: 3") == [
        f"job.yaml:1:1: {key}: unknown key `{key}`; did you mean `resources.{key}`?"
    ]
