"""What users of the client may rely on about blueprints, from both daemons alike."""

import itertools

import pytest

import ftctl

JOB = {
    "data": {"digits": {}},
    "model": {"cnn": {}},
    "train": {"epochs": 3, "batch_size": 64, "optimizer": {"sgd": {"lr": 0.1}}},
}
NUMBERS = itertools.count(1)


def walk(node):
    yield node
    for child in node["children"]:
        yield from walk(child)


@pytest.fixture
def job(client):
    """A job that was submitted."""
    return client.submit({**JOB, "name": f"drawn-{next(NUMBERS)}"})


def test_a_net_is_told_with_sums_that_add_up(client):
    found = client.model(JOB)

    root = found["root"]
    assert (found["net"], len(found["input"])) == ("cnn", 3)
    for key in ("parameters", "trained", "macs"):
        assert found[key] == root[key]
        for node in walk(root):
            assert node[key] >= sum(child[key] for child in node["children"])
    assert found["trained"] == sum(group["parameters"] for group in found["groups"])
    for node in walk(root):
        assert node["kind"]
        assert set(node["groups"]) <= set(range(len(found["groups"])))
    assert found.svg().startswith("<svg")


def test_the_net_of_a_job_is_that_of_its_file(client, job):
    assert client.model(job=job.name) == client.model(job=job.id) == client.model(JOB)


def test_overrides_change_the_net_that_is_told(client):
    body = {**JOB, "model": {"name": "resnet18"}, "data": {"fake": {}}}
    assert client.model(body)["net"] == "resnet18"
    assert client.model(body, overrides={"model.name": "alexnet"})["net"] == "alexnet"


def test_a_file_with_faults_has_none(client):
    with pytest.raises(ftctl.InvalidJob) as error:
        client.model({**JOB, "train": {**JOB["train"], "epochs": 0}})
    assert [fault.field for fault in error.value.faults] == ["train.epochs"]


def test_whose_net_must_be_said_once_and_exist(client):
    with pytest.raises(ftctl.JobNotFound):
        client.model(job="nobody")
    for said in ({}, {"source": JOB, "job": "x"}):
        with pytest.raises(ftctl.BadInput, match="either a job file or a job"):
            client.model(**said)
