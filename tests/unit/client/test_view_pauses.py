"""Jobs that are paused, as lists, cards, screens and followers show them."""

from datetime import timedelta

import pytest

from finetuned.v1 import event_pb2, job_pb2
from ftctl import wire
from ftctl.view import card, plain, table
from ftctl.view.live import LiveView
from ftctl.view.top import Page, Snapshot, frame
from tests.fakes.scripted_daemon import START
from tests.fakes.views import ID, NOW, drawn, terminal

STEP = job_pb2.Progress(epoch=4, epochs=25, step=340, steps=1200)
PAUSED = job_pb2.JOB_STATE_PAUSED


def job(**fields):
    spec = job_pb2.JobSpec(name="ants-bees", recipe_json="{}")
    return wire.job(job_pb2.Job(id=ID, spec=spec, create_time=START, **fields))


def paused(reason="paused by ann", **fields):
    return job(state=PAUSED, reason=reason, pause_time=NOW - timedelta(minutes=5), **fields)


@pytest.mark.parametrize(
    ("standing", "told"),
    [
        (paused(progress=STEP), "paused by ann 5 min ago, after step 340 of 1,200"),
        (paused(), "paused by ann 5 min ago"),
        (
            paused("disk full: 3 MiB left", progress=STEP),
            "disk full: 3 MiB left (paused 5 min ago, after step 340 of 1,200)",
        ),
        (job(state=PAUSED, reason="disk full"), "disk full"),
        (
            job(state=job_pb2.JOB_STATE_RUNNING, reason="pausing", progress=STEP),
            "pausing: epoch 4/25, 28 %",
        ),
    ],
    ids=["trained", "waited", "disk", "of another daemon", "pausing"],
)
def test_a_pause_is_told_with_who_since_when_and_where_it_goes_on(standing, told):
    assert table.progress(standing, NOW) == told


def test_lists_cards_and_screens_show_it():
    standing = paused(progress=STEP)
    text = "paused by ann 5 min ago, after step 340 of 1,200"

    listed = table.lines([standing], now=NOW, width=None)
    shown = drawn(card.lines(standing, now=NOW, console=terminal(120)), 120)
    screen = frame(Snapshot.of([], [standing], time=NOW), Page(width=120, height=24))

    assert text in listed[1].plain
    assert f"paused  {text}" in shown
    assert any(text in line.plain for line in screen)


def happened(state, reason, sequence=1):
    return wire.event(
        event_pb2.JobEvent(
            job_id=ID,
            sequence=sequence,
            time=START,
            attempt=1,
            state_changed=event_pb2.StateChanged(state=state, reason=reason),
        )
    )


def test_who_follows_a_job_in_a_pipe_is_told_that_he_waits():
    assert plain.line(happened(PAUSED, "paused by ann")).endswith(
        "  paused      paused by ann; waiting here until it goes on"
    )


def test_who_follows_a_job_on_a_terminal_is_told_that_he_waits():
    screen = terminal(100)
    view = LiveView(name="ants", job_id=ID, recipe={}, console=screen)

    view.show(happened(PAUSED, "paused by ann"))
    screen.print(view.footer())

    assert "paused  paused by ann; waiting here until it goes on" in screen.file.getvalue()


def test_who_follows_a_job_that_is_about_to_pause_is_told_so():
    screen = terminal(120)
    view = LiveView(name="ants", job_id=ID, recipe={}, console=screen)

    view.show(happened(job_pb2.JOB_STATE_RUNNING, "pausing"))
    view.show(wire.event(event_pb2.JobEvent(job_id=ID, sequence=2, time=START, progress=STEP)))
    screen.print(view.footer())

    assert "pausing" in screen.file.getvalue()
