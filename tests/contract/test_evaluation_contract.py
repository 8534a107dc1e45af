"""Jobs evaluated again, by the real daemon and by the fake one alike."""

import itertools

import pytest

import ftctl

JOB = {
    "data": {"digits": {}},
    "model": {"cnn": {}},
    "train": {"epochs": 2, "batch_size": 64, "optimizer": {"sgd": {"lr": 0.1}}},
    "outputs": [],
}
NUMBERS = itertools.count(1)
TIMEOUT_S = 60


def named(job=JOB, **more):
    return {**job, "name": f"judged-{next(NUMBERS)}", **more}


@pytest.fixture(scope="module")
def ended(socket):
    with ftctl.Client(socket) as client:
        return client.submit(named()).wait(timeout_s=TIMEOUT_S)


def test_a_job_evaluated_again_gives_its_own_figures(client, ended):
    progress = []

    report = client.evaluate(ended.id, verdicts=True, confusion=True, on_progress=progress.append)

    (own,) = ended.evaluations
    assert report.evaluation == own
    assert report.images == f"the validation images of {ended.name}"
    assert (report.left_out, report.left_out_count, report.notices) == ({}, 0, ())
    lines = report.verdicts.decode().splitlines()
    assert lines[0] == "image,label,predicted,confidence"
    assert len(lines) == 1 + own.score.count
    right = sum(label == said for _, label, said, _ in (line.split(",") for line in lines[1:]))
    assert right == own.score.correct
    assert report.confusion.startswith(b"\x89PNG")
    last = progress[-1]
    assert last.done == last.images == own.score.count


def test_files_come_where_they_are_asked_for(client, ended):
    report = client.evaluate(ended.id, split="train")

    assert (report.verdicts, report.confusion) == (b"", b"")
    assert report.images == f"the training images of {ended.name}"
    assert report.evaluation.split == "train"


@pytest.mark.parametrize(
    ("words", "error", "message"),
    [
        (
            {"split": "test"},
            ftctl.ImagesLocked,
            "the test images of {name} are read once, by the job itself at its end: figures that "
            "can be asked for again and again are no test; `ftctl get {name}` has what came of it",
        ),
        (
            {"split": "vla"},
            ftctl.InvalidRequest,
            "split: there are no images `vla`; there are val and train",
        ),
        (
            {"allow_missing": True},
            ftctl.InvalidRequest,
            "allow_missing: is for given images; those of a job have all",
        ),
        (
            {"data": "dataset:nothing"},
            ftctl.DatasetNotFound,
            "no data set has the name `nothing`; `ftctl dataset push NAME DIR` makes one, `ftctl "
            "dataset list` shows all",
        ),
    ],
)
def test_what_cannot_be_evaluated_is_told(client, ended, words, error, message):
    with pytest.raises(error) as refused:
        client.evaluate(ended.id, **words)

    assert str(refused.value) == message.format(name=ended.name)


def test_a_job_that_never_trained_has_no_net(client):
    first = client.submit(named({**JOB, "train": {**JOB["train"], "epochs": 2000}}))
    waiting = client.submit(named(after=first.name))
    waiting.cancel()

    with pytest.raises(ftctl.ArtifactNotFound) as refused:
        waiting.evaluate()

    assert str(refused.value) == (
        f"job {waiting.name} ended CANCELLED before an epoch was evaluated: it has no checkpoint; "
        f"`ftctl get {waiting.name}` says why"
    )


def test_a_job_that_trains_is_evaluated_by_its_best_checkpoint_so_far(client):
    handle = client.submit(named({**JOB, "train": {**JOB["train"], "epochs": 2000}}))
    saved = 0
    for event in handle.watch():
        if isinstance(event, ftctl.CheckpointSaved) and event.kind == "best":
            saved = event.epoch
            break

    report = handle.evaluate()

    epochs = {epoch.epoch: epoch.val for epoch in handle.get().epochs}
    assert report.evaluation.epoch >= saved
    assert report.score == epochs[report.evaluation.epoch]
