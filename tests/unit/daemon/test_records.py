"""A journal's records become a job's events: progress is thinned, nothing else is."""

from pathlib import Path

from ftd.jobs.model import EventKind, NewEvent
from ftd.jobs.records import MOST_NOTICES, PROGRESS_GAP_S, Translator
from fttrain import events as journal

SCORE = journal.Score(
    loss=0.5, accuracy=0.9, correct=9, count=10, accuracy_low=0.6, accuracy_high=0.98
)


def steps(first: int, count: int = 1) -> journal.Steps:
    return journal.Steps(
        epoch=1, epochs=2, first=first, steps=100, lrs=[[0.1]] * count, losses=[1.0] * count,
        mean_loss=1.0, images=8 * (first + count - 1), images_per_second=10.0,
        data_wait_s=0.5, data_wait_ratio=0.25,
    )  # fmt: skip


def epoch(number: int) -> journal.EpochEnded:
    return journal.EpochEnded(
        epoch=number, step=50, train=SCORE, val=SCORE, lrs=[0.1], images_per_second=1.0,
        memory_bytes=1, seconds=1.0, best=True,
    )  # fmt: skip


def translator() -> Translator:
    return Translator(attempt=1, run_dir=Path("/runs/a/1"))


def told(translator: Translator, *records: journal.Record, now: float) -> list[NewEvent]:
    entries = [journal.Entry(time=0.0, record=record) for record in records]
    return translator.translate(entries, now=now)


def test_the_first_step_is_told_at_once() -> None:
    events = told(translator(), journal.Started(pid=1), steps(1), now=0.0)

    assert [event.body["step"] for event in events] == [1]


def test_progress_within_the_gap_is_held_and_only_the_latest_is_told() -> None:
    subject = translator()
    told(subject, steps(1), now=0.0)

    assert told(subject, steps(2), now=0.1) == []
    assert told(subject, steps(3, 4), now=0.2) == []
    assert subject.due_in(now=0.2) == PROGRESS_GAP_S - 0.2
    assert [event.body["step"] for event in subject.release(now=PROGRESS_GAP_S)] == [6]
    assert subject.due_in(now=PROGRESS_GAP_S) is None


def test_an_epoch_is_never_held_and_takes_the_place_of_progress_before_it() -> None:
    subject = translator()
    told(subject, steps(1), now=0.0)

    events = told(subject, steps(2), epoch(1), now=0.1)

    assert [event.kind for event in events] == [EventKind.EPOCH]
    assert events[0].body["val"]["correct"] == 9
    assert subject.due_in(now=0.1) is None


def test_a_change_of_phase_is_progress() -> None:
    subject = translator()
    told(subject, steps(1), now=0.0)

    events = told(subject, journal.PhaseChanged(phase="evaluating", epoch=1), now=9.0)

    assert [(event.kind, event.body["phase"]) for event in events] == [
        (EventKind.PROGRESS, "evaluating")
    ]
    assert events[0].body["step"] == 1


def test_paths_become_absolute() -> None:
    saved = journal.CheckpointSaved(which="best", epoch=1, step=5, path="checkpoints/b", sha256="0")

    events = told(translator(), saved, journal.ArtifactMade(what="model", path="m"), now=0.0)

    assert [event.body["path"] for event in events] == ["/runs/a/1/checkpoints/b", "/runs/a/1/m"]


def test_start_failure_and_finish_are_remembered_not_told() -> None:
    subject = translator()
    failed = journal.Failed(reason="bad_data", message="m", remedy="r", faults=[])

    assert told(subject, journal.Started(pid=1), failed, now=0.0) == []
    assert subject.is_started
    assert subject.failed == failed
    assert subject.finished is None


def test_images_and_waiting_for_them_are_told_with_the_progress() -> None:
    (event,) = told(translator(), steps(1), now=0.0)

    assert event.body["images"] == 8
    assert (event.body["data_wait_s"], event.body["data_wait_ratio"]) == (0.5, 0.25)


def told_in(hours: float, *, before: int = 0) -> int:
    """Return how many events an attempt that tells its steps twice a second has had by then."""
    subject = Translator(attempt=1, run_dir=Path("/runs/a/1"), before=before)
    entries = [journal.Entry(time=0.0, record=steps(2))]
    return sum(len(subject.translate(entries, now=tick / 2)) for tick in range(int(hours * 7200)))


def test_the_longer_a_job_runs_the_rarer_its_progress_is_stored() -> None:
    assert told_in(0.5) == 3600
    assert told_in(24) < 27_000
    assert told_in(24, before=25_000) < 8_000


def test_epochs_are_told_however_many_events_there_are() -> None:
    subject = Translator(attempt=1, run_dir=Path("/runs/a/1"), before=1_000_000)
    told(subject, steps(1), now=0.0)

    events = [told(subject, steps(number), epoch(number), now=1.0) for number in range(2, 5)]

    assert [[event.kind for event in each] for each in events] == [[EventKind.EPOCH]] * 3


def test_a_flood_of_notices_is_cut_off_and_says_so() -> None:
    subject = translator()
    flood = [journal.Notice(message=f"image {number}") for number in range(1500)]

    events = told(subject, *flood, now=0.0)

    assert len(events) == MOST_NOTICES
    assert events[-1].body["message"] == (
        "image 999 (No more than 1000 notices of an attempt are kept.)"
    )
