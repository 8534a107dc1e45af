"""Nets compared with one another, by the real daemon and by the fake one alike."""

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
    return {**job, "name": f"likened-{next(NUMBERS)}", **more}


@pytest.fixture(scope="module")
def ended(socket):
    with ftctl.Client(socket) as client:
        return client.submit(named()).wait(timeout_s=TIMEOUT_S)


def test_a_net_is_wholly_like_itself(client, ended):
    found = client.similarity(ended.name, f"{ended.id}/best", images=20, picture=True)

    assert (found.first, found.images) == (found.second, 20)
    assert (found.first.job_id, found.first.job_name, found.first.which) == (
        ended.id, ended.name, "best",
    )  # fmt: skip
    assert found.png.startswith(b"\x89PNG")
    assert found.only_first == found.only_second == found.notices == ()
    assert {"features.0.0", "head"} <= {layer.name for layer in found.layers}
    for layer in found.layers:
        assert layer.relative_l2 == 0.0
        assert layer.weight_cosine == pytest.approx(1.0)
        assert layer.bias_cosine in (None, pytest.approx(1.0))
        assert layer.cka == pytest.approx(1.0)
    assert found.layers[0].bias_cosine is None


def test_nets_of_two_jobs_differ(client, ended):
    other = {**JOB, "train": {**JOB["train"], "seed": 1}}
    second = client.submit(named(other)).wait(timeout_s=TIMEOUT_S)

    found = client.similarity(ended.name, f"{second.name}/last", images=20)

    assert (found.second.job_name, found.second.which) == (second.name, "last")
    assert found.png == b""
    assert all(layer.relative_l2 > 0 for layer in found.layers)
    assert all(layer.cka is not None and 0 <= layer.cka < 1 for layer in found.layers)


@pytest.mark.parametrize(
    ("first", "images", "error", "message"),
    [
        (
            "likened-1/first",
            0,
            ftctl.BadInput,
            "`likened-1/first` names no checkpoint; say JOB, JOB/best or JOB/last",
        ),
        ("likened-1", 1, ftctl.InvalidRequest, "images: should be 2 to 1024, not 1"),
        ("nobody", 0, ftctl.JobNotFound, None),
    ],
)
def test_what_cannot_be_compared_is_told(client, ended, first, images, error, message):
    first = first.replace("likened-1", ended.name)

    with pytest.raises(error) as told:
        client.similarity(first, ended.name, images=images)

    if message is not None:
        assert str(told.value) == message.replace("likened-1", ended.name)


def test_a_job_without_a_checkpoint_says_so(client):
    handle = client.submit(named(after=[client.submit(named(JOB, priority=-5)).id], priority=-5))
    handle.cancel()
    ended = handle.wait(timeout_s=TIMEOUT_S)

    if not ended.epochs:
        with pytest.raises(ftctl.ArtifactNotFound, match="has no"):
            client.similarity(ended.id, f"{ended.id}/last")
