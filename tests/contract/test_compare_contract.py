"""Comparisons of jobs, by the real daemon and by the fake one alike."""

import pytest

import ftctl

JOB = {
    "data": {"digits": {}},
    "model": {"cnn": {}},
    "train": {"epochs": 2, "batch_size": 64, "optimizer": {"sgd": {"lr": 0.1}}},
}
TIMEOUT_S = 90


@pytest.fixture(scope="module")
def two(socket):
    with ftctl.Client(socket) as client:
        first = client.submit({**JOB, "name": "compared-1"})
        changed = {"train.batch_size": 32, "train.epochs": 3}
        second = client.submit({**JOB, "name": "compared-2"}, overrides=changed)
        return [each.wait(timeout_s=TIMEOUT_S).check() for each in (first, second)]


def test_two_jobs_are_compared_by_settings_results_and_images(client, two):
    compared = client.compare([two[0].id, "compared-2"])

    assert compared.labels == ("compared-1", "compared-2")
    assert {each.path for each in compared.settings} == {"train.batch_size", "train.epochs"}
    assert compared.result("best_accuracy").values == tuple(
        job.summary.best_accuracy for job in two
    )
    assert compared.result("epochs").values == (2, 3)
    (pair,) = compared.pairs
    assert (pair.is_confounded, pair.weight) == (True, 2)
    assert pair.mcnemar.images == two[0].best.val.count


def test_verdicts_agree_with_the_figures_of_their_job(client, two):
    runs = client.runs([job.id for job in two])

    assert [sum(run.verdicts.answers().values()) for run in runs] == [
        job.best.val.correct for job in two
    ]


def test_curves_become_a_picture(client, two):
    runs = client.runs([job.id for job in two])

    assert client.plot_runs(runs, x="log", y="log", metrics=["loss"]).startswith(b"\x89PNG\r\n")


def test_what_is_not_there_is_not_compared(client, two):
    with pytest.raises(ftctl.JobNotFound):
        client.compare([two[0].id, "no-such-job"])
    with pytest.raises(ftctl.BadInput) as error:
        client.compare([two[0].id])
    assert str(error.value) == (
        "compared-1 alone cannot be compared; name at least two jobs or exported files"
    )


@pytest.mark.parametrize(
    ("count", "told"),
    [(0, "runs: 1 to 8 in one picture, not 0"), (9, "runs: 1 to 8 in one picture, not 9")],
)
def test_a_picture_of_no_run_or_of_too_many_is_refused(client, two, count, told):
    runs = client.runs([two[0].id])

    with pytest.raises(ftctl.InvalidRequest) as error:
        client.plot_runs(runs * count)

    assert str(error.value) == told
