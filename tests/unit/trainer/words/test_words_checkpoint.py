"""`train.checkpoint` and `train.resume`: when a run is kept, and how it goes on."""

import errno
import json
import shutil
from pathlib import Path

import pytest
import torch
import torchvision

from fttrain import chronicle, events, run
from fttrain.artifacts import tensorboard
from fttrain.events import (
    CheckpointSaved,
    EpochEnded,
    Failed,
    Finished,
    Notice,
    Record,
    Resumed,
    Suspended,
)
from fttrain.journal import Journal
from fttrain.keeping import Keeping
from fttrain.models import tensors
from fttrain.spec import rundir
from fttrain.spec.faults import RecipeFaults
from fttrain.spec.rundir import AttemptCard
from fttrain.state import checkpoint
from tests import byhand, engine
from tests.attempts import attempt, found, history
from tests.photos import make_photo_folder

AMID = 25
"""A record of the journal of ten steps an epoch that are kept every four: amid an epoch."""


def killed(folder: Path, monkeypatch: pytest.MonkeyPatch, *, at_record: int) -> None:
    """Work on an attempt up to a record of its journal, which is not written any more."""

    class Killed(BaseException):
        pass

    written = 0
    write = Journal.write

    def count(journal: Journal, record: Record) -> None:
        nonlocal written
        written += 1
        if written == at_record:
            raise Killed
        write(journal, record)

    with monkeypatch.context() as patch:
        patch.setattr(Journal, "write", count)
        with pytest.raises(Killed):
            run.run(folder)


def saved(records: list[Record]) -> list[tuple[int, int]]:
    last = [r for r in records if isinstance(r, CheckpointSaved) and r.which == "last"]
    return [(each.epoch, each.step) for each in last]


def steps_kept(folder: Path) -> list[int]:
    return sorted(int(path.stem) for path in (folder / rundir.STEPS).iterdir())


# --- when ---------------------------------------------------------------------------------


@pytest.mark.word("train.checkpoint", "train.checkpoint.epochs", "train.checkpoint.steps")
def test_a_run_is_kept_by_epochs_and_steps_and_at_its_end(tmp_path: Path) -> None:
    rule = {"epochs": 2, "steps": 7, "minutes": None}
    recipe = engine.digits(epochs=3, evaluate_every=3, checkpoint=rule)
    records = engine.trained(tmp_path / "run", recipe)

    # Ten steps an epoch; what is kept amid an epoch names the last that was complete.
    assert saved(records) == [(0, 7), (1, 14), (2, 20), (2, 21), (2, 28), (3, 30)]


@pytest.mark.word("train.checkpoint.minutes")
def test_a_run_is_kept_where_the_last_checkpoint_is_long_ago(tmp_path: Path) -> None:
    recipe = engine.digits(checkpoint={"minutes": 2})
    never = engine.digits(checkpoint={"minutes": None})
    now = 1000.0
    card = AttemptCard(job_id="0", attempt=1, name="j")
    keeping = Keeping(
        run_dir=tmp_path, attempt=card, plan=engine.planned(recipe), clock=lambda: now
    )

    assert not keeping.is_due(recipe, 5)
    now += 119.9
    assert not keeping.is_due(recipe, 6)
    now += 0.1
    assert keeping.is_due(recipe, 7)
    assert not keeping.is_due(never, 7)


@pytest.mark.word("train.checkpoint.keep")
def test_the_newest_checkpoints_stay_and_the_best(tmp_path: Path) -> None:
    recipe = engine.digits(
        epochs=4, checkpoint={"keep": 3, "steps": 5}, optimizer={"sgd": {"lr": 1e-9}}
    )
    records = engine.trained(tmp_path / "run", recipe)

    best = found(records, Finished).best_epoch * 10
    assert steps_kept(tmp_path / "run") == sorted({best, 30, 35, 40})
    with pytest.raises(RecipeFaults) as refused:
        engine.digits(checkpoint={"keep": 1})
    assert str(refused.value) == (
        "train.checkpoint.keep: should be greater than or equal to 2, not 1"
    )


# --- how it goes on -----------------------------------------------------------------------


def test_a_killed_run_is_told_from_its_beginning_and_ends_as_if_nothing_had_been(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = engine.digits(epochs=3, checkpoint={"steps": 4, "minutes": None})
    engine.trained(tmp_path / "whole", recipe)
    first = attempt(tmp_path, recipe)
    killed(first, monkeypatch, at_record=AMID)
    second = attempt(tmp_path, recipe, 2)
    assert run.run(second) == 0

    records = engine.records(second)
    assert [type(r) for r in records[2:4]] == [Resumed, EpochEnded]
    resumed = found(records, Resumed)
    assert (resumed.attempt, resumed.inexact) == (1, "")
    assert resumed.step == saved(engine.records(first))[-1][1]
    assert resumed.step % 10 != 0
    assert history(second) == history(tmp_path / "whole")
    for name in (rundir.LAST, rundir.BEST, rundir.MODEL):
        whole, broken = tensors.read(tmp_path / "whole" / name), tensors.read(second / name)
        assert all(broken.tensors[n].equal(value) for n, value in whole.tensors.items()), name
    assert found(records, Finished) == found(engine.records(tmp_path / "whole"), Finished)


def test_each_step_of_all_attempts_is_in_the_chronicle_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = engine.digits(epochs=3, checkpoint={"steps": 4, "minutes": None})
    engine.trained(tmp_path / "whole", recipe)
    first, second = attempt(tmp_path, recipe), attempt(tmp_path, recipe, 2)
    killed(first, monkeypatch, at_record=AMID)
    killed(second, monkeypatch, at_record=20)
    third = attempt(tmp_path, recipe, 3)
    assert run.run(third) == 0

    def points(folder: Path, *earlier: Path) -> list[tuple[int, str, float]]:
        entries = chronicle.read(folder, [str(each) for each in earlier])
        told = [point[1:] for point in tensorboard.points(entries)]
        return sorted(point for point in told if point[1] != "images_per_second")

    assert points(third, second, first) == points(tmp_path / "whole")


def test_a_run_that_is_asked_to_pause_keeps_where_it_is(tmp_path: Path) -> None:
    recipe = engine.digits(epochs=2)
    first = attempt(tmp_path, recipe)
    rundir.ask_to_pause(first)
    assert run.run(first) == 0
    assert engine.records(first)[-1] == Suspended(epoch=1, step=0)

    second = attempt(tmp_path, recipe, 2)
    assert run.run(second) == 0

    engine.trained(tmp_path / "whole", recipe)
    assert history(second) == history(tmp_path / "whole")


def test_what_a_user_asked_of_an_attempt_holds_for_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = engine.digits(epochs=9)
    first = attempt(tmp_path, recipe)
    killed(first, monkeypatch, at_record=12)
    rundir.ask_to_finish(first)
    second = attempt(tmp_path, recipe, 2)
    assert run.run(second) == 0
    assert found(engine.records(second), Finished).stopped_after in (1, 2)


@pytest.mark.parametrize("harm", ["cut", "flipped"])
def test_a_damaged_checkpoint_is_told_and_the_one_before_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, harm: str
) -> None:
    recipe = engine.digits(epochs=3, checkpoint={"steps": 3, "minutes": None})
    first = attempt(tmp_path, recipe)
    killed(first, monkeypatch, at_record=20)
    *_, before, last = sorted((first / rundir.STEPS).iterdir())
    content = bytearray(last.read_bytes())
    content[-9] ^= 4
    last.write_bytes(content[:-1] if harm == "cut" else content)
    second = attempt(tmp_path, recipe, 2)
    assert run.run(second) == 0

    told = found(engine.records(second), Notice).message
    if harm == "cut":
        assert told.startswith(f"{last} is no whole safetensors file: ")
        assert told.endswith("; the checkpoint before it is used")
    else:
        assert told == (
            f"{last} is damaged: its content is not that of its SHA-256; "
            "the checkpoint before it is used"
        )
    assert found(engine.records(second), Resumed).step == int(before.stem)
    engine.trained(tmp_path / "whole", recipe)
    assert history(second) == history(tmp_path / "whole")


def test_a_job_without_a_sound_checkpoint_begins_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = engine.digits(epochs=2)
    first = attempt(tmp_path, recipe)
    killed(first, monkeypatch, at_record=12)
    for path in (first / rundir.STEPS).iterdir():
        path.write_bytes(b"torn")
    second = attempt(tmp_path, recipe, 2)
    assert run.run(second) == 0

    records = engine.records(second)
    notices = [record.message for record in records if isinstance(record, Notice)]
    assert notices[-1] == "no sound checkpoint is left: the job begins anew"
    assert not any(isinstance(record, Resumed) for record in records)
    engine.trained(tmp_path / "whole", recipe)
    assert history(second) == history(tmp_path / "whole")


def elsewhere(folder: Path, **changed: str) -> None:
    """Have the checkpoints of an attempt come from another environment."""
    for path in (folder / rundir.STEPS).iterdir():
        contents = tensors.read(path)
        metadata = {"finetuned_checkpoint": contents.metadata["finetuned_checkpoint"]}
        card = json.loads(metadata["finetuned_checkpoint"])
        card["environment"] |= changed
        metadata["finetuned_checkpoint"] = json.dumps(card)
        path.write_bytes(tensors.sealed(contents.tensors, metadata))


@pytest.mark.word("train.resume")
def test_another_environment_marks_a_run_or_ends_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for resume in ("inexact", "exact"):
        recipe = engine.digits(epochs=2, resume=resume)
        first = attempt(tmp_path / resume, recipe)
        killed(first, monkeypatch, at_record=12)
        elsewhere(first, torch="1.0", cpu_capability="MMX")
        run.run(attempt(tmp_path / resume, recipe, 2))
    differs = f"torch was 1.0, is {torch.__version__}; instruction set was MMX, is "
    differs += torch.backends.cpu.get_cpu_capability()

    marked = engine.records(tmp_path / "inexact" / "2")
    refused = engine.records(tmp_path / "exact" / "2")

    assert found(marked, Resumed).inexact == differs
    assert isinstance(marked[-1], Finished)
    assert refused[-1] == Failed(
        reason="resume_refused",
        message=f"the run could not go on exactly: {differs}",
        remedy="Say `train.resume: inexact` and submit the job again, or undo what differs.",
        faults=[],
    )


def test_a_run_once_inexact_stays_marked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = engine.digits(epochs=3)
    first, second = attempt(tmp_path, recipe), attempt(tmp_path, recipe, 2)
    killed(first, monkeypatch, at_record=12)
    elsewhere(first, torch="1.0")
    killed(second, monkeypatch, at_record=16)
    third = attempt(tmp_path, recipe, 3)
    assert run.run(third) == 0

    told = [found(engine.records(each), Resumed).inexact for each in (second, third)]
    assert told[0] == told[1] == f"torch was 1.0, is {torch.__version__}"


# --- room and time ------------------------------------------------------------------------


def test_a_checkpoint_for_which_there_is_no_room_is_not_begun(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trial = byhand.trial()
    card = checkpoint.Card(
        epoch=1, step=10, seed=0, job_name="j", recipe=trial.recipe, plan=trial.plan
    )
    usage = shutil.disk_usage(tmp_path)
    full = type(usage)(usage.total, usage.total - 100, 100)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: full)
    path = tmp_path / "steps" / "10.safetensors"
    with pytest.raises(OSError, match=r"the checkpoint takes [\d,]+ bytes, 100 are free") as caught:
        checkpoint.write(path, trial.training.net.module, trial.training.optimizer, card)

    assert (caught.value.errno, caught.value.filename) == (errno.ENOSPC, str(path))
    assert list(path.parent.iterdir()) == []


def test_a_checkpoint_of_a_head_costs_milliseconds(tmp_path: Path) -> None:
    root = make_photo_folder(tmp_path / "photos")
    base = tmp_path / "base.pt"
    torch.save(torchvision.models.resnet18(num_classes=5).state_dict(), base)
    model = {"name": "resnet18", "weights": f"file:{base}"}
    size, spent = {}, {}
    for trains in ("head", "all"):
        recipe = engine.photos(root, model, epochs=1, trains=trains)
        begun: list[float] = []
        folder = attempt(tmp_path / trains, recipe)
        assert run.run(folder) == 0
        entries, _ = events.read(folder / rundir.JOURNAL)
        for entry in entries:
            if getattr(entry.record, "phase", "") == "checkpointing":
                begun.append(entry.time)
            if isinstance(entry.record, EpochEnded):
                spent[trains] = (entry.time - begun[-1]) * 1000
        size[trains] = (folder / rundir.LAST).stat().st_size
    print(f"head {size['head']:,} bytes, {spent['head']:.1f} ms", end="; ")
    print(f"all {size['all']:,} bytes, {spent['all']:.1f} ms")
    assert size["head"] < size["all"] / 300
