"""`ftctl model`: a net as a tree, as JSON and as a diagram."""

import asyncio
import json
import xml.etree.ElementTree as ET

import pytest

from ftctl.cli import completion, main
from ftctl.testing import FakeDaemon

JOB = """\
name: digits
data: {digits: {}}
model: {name: resnet18}
train: {epochs: 3, batch_size: 64, optimizer: {sgd: {lr: 0.1}}}
"""


@pytest.fixture
def daemon():
    with FakeDaemon() as fake:
        yield fake


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "job.yaml"
    path.write_text(JOB)
    return str(path)


@pytest.fixture
def run(daemon, capsys):
    def run(*words):
        code = main([*words, "--socket", str(daemon.socket)])
        return code, *capsys.readouterr()

    return run


def test_the_net_of_a_file_is_shown_as_a_tree(run, file):
    code, out, err = run("model", file)

    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0].startswith(" net       resnet18, 234 parameters")
    assert any(line.startswith("├─ conv") and "Conv2d 3×3, 3 → 8" in line for line in lines)
    assert any(line.startswith("└─ head") and "Linear 8 → 2" in line for line in lines)


def test_a_value_can_be_set_and_a_tree_folded(run, file):
    code, out, _ = run("model", file, "--set", "model.name=alexnet", "--depth", "0")
    assert code == 0
    assert "alexnet" in out
    assert "Conv2d" not in out


def test_json_holds_every_module(run, file):
    code, out, _ = run("model", file, "-o", "json", "--depth", "0")
    assert code == 0
    assert [child["name"] for child in json.loads(out)["root"]["children"]] == ["conv", "head"]


def test_the_net_of_a_job_is_shown(run, file):
    assert run("submit", file)[0] == 0
    code, out, _ = run("model", "--job", "digits")
    assert code == 0
    assert "resnet18" in out


def test_a_diagram_is_written_and_never_over_another_unless_forced(run, file, tmp_path):
    place = tmp_path / "net.svg"

    assert run("model", file, "--svg", str(place)) == (0, f"{place}\n", "")
    ET.parse(place)
    code, _, err = run("model", file, "--svg", str(place))
    assert (code, err) == (2, f"ftctl: {place}: is there already; --force replaces it\n")
    assert run("model", file, "--svg", str(place), "--force")[0] == 0


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ([], "say whose net: either a job FILE or --job JOB"),
        (["FILE", "--job", "x"], "say whose net: either a job FILE or --job JOB"),
        (["--job", "x", "--set", "a=1"], "--set changes a job file; the net of a job is as it is"),
        (["--job", "nobody"], "no job has the name or id `nobody`"),
        (["FILE", "--svg", "/nowhere/net.svg"], "/nowhere/net.svg: cannot be written: No such"),
    ],
)
def test_what_cannot_be_is_told(run, file, words, told):
    code, out, err = run("model", *(file if word == "FILE" else word for word in words))
    assert (code, out) == (2, "")
    assert told in err


def test_one_net_is_shown_at_a_time(run, tmp_path):
    path = tmp_path / "two.yaml"
    path.write_text(JOB + "---\n" + JOB.replace("digits\n", "other\n"))
    code, _, err = run("model", str(path))
    assert (code, err) == (2, f"ftctl: {path} holds 2 jobs; a net is shown of one\n")


def test_faults_are_told_with_their_lines(run, file):
    code, _, err = run("model", file, "--set", "train.epochs=0")
    assert code == 2
    assert "train.epochs" in err
    assert err.splitlines()[-1] == "ftctl: 1 fault"


def test_completion_knows_jobs_behind_job_and_files_else(run, daemon, file, monkeypatch):
    monkeypatch.setenv("FTCTL_SOCKET", str(daemon.socket))
    run("submit", file)
    assert asyncio.run(completion.candidates(["model", "--job", "dig"])) == ["digits"]
    assert asyncio.run(completion.candidates(["model", ""])) == []
    assert "--svg" in asyncio.run(completion.candidates(["model", "--s"]))
