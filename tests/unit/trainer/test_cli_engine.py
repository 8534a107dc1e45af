"""The engine alone, from its command line."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from fttrain import __main__ as cli
from fttrain.spec import based, rundir
from tests import engine
from tests.photos import damage_within, make_photo_folder

DIGITS = """\
name: tiny
data: {digits: {labels_per_class: 4}}
model: {cnn: {channels: [4]}}
train:
  epochs: 2
  batch_size: 8
  optimizer: {sgd: {lr: 0.1}}
"""


def written(folder: Path, text: str, name: str = "job.yaml") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def errors(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return capsys.readouterr().err.splitlines()


def test_run_trains_and_prints_the_groups_and_a_line_per_epoch(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, out = written(tmp_path, DIGITS), tmp_path / "out"

    assert cli.main(["run", str(file), "--out", str(out), "--cpus", "1"]) == 0

    printed, said = capsys.readouterr()
    lines = printed.splitlines()
    assert said == "notice: `name` concerns the daemon and is ignored here\n"
    assert "group  tensors  parameters   lr  weight decay" in lines
    assert sum(line.startswith("epoch ") for line in lines) == 2
    assert lines[-1] == f"data/confusion  {out}/artifacts/confusion.json"
    assert rundir.read_attempt(out).name == "tiny"
    assert engine.records(out)[-1].kind == "finished"


def test_runs_share_what_they_keep_where_a_cache_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = written(tmp_path, DIGITS.replace("epochs: 2", "epochs: 2\n  trains: head"))
    for name in ("one", "other"):
        words = ["run", str(file), "--out", str(tmp_path / name), "--cpus", "1"]
        assert cli.main([*words, "--cache", str(tmp_path / "cache")]) == 0

    assert "run ahead once" in capsys.readouterr().out
    assert len([*(tmp_path / "cache").rglob("*.rows")]) == 1
    assert not (tmp_path / "one" / "cache").exists()


def test_a_cache_that_cannot_be_made_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = written(tmp_path, DIGITS)
    (tmp_path / "file").touch()
    words = ["run", str(file), "--out", str(tmp_path / "out"), "--cache", str(tmp_path / "file")]
    assert cli.main(words) == 2
    assert errors(capsys)[-1].endswith(f"{tmp_path}/file cannot be made a folder: File exists")


def test_a_gpu_that_is_not_there_is_told_before_anything_is_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    file = written(tmp_path, DIGITS)

    assert cli.main(["plan", str(file), "--device", "cuda"]) == 2
    assert errors(capsys)[-1].endswith(
        "--device cuda: torch finds no GPU here; say cpu, or look at `nvidia-smi`"
    )


def test_ctrl_c_ends_a_run_without_a_traceback(tmp_path: Path) -> None:
    file = written(tmp_path, DIGITS.replace("epochs: 2", "epochs: 100000"))
    words = ["run", str(file), "--out", str(tmp_path / "out"), "--cpus", "1"]
    process = subprocess.Popen(
        [sys.executable, "-m", "fttrain", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    while not process.stdout.readline().startswith("epoch 2/"):
        assert process.poll() is None

    process.send_signal(signal.SIGINT)
    _, said = process.communicate()

    assert process.returncode == 130
    assert said.splitlines()[1:] == ["ended by Ctrl-C; finished checkpoints stay"]
    assert (tmp_path / "out" / rundir.LAST).exists()


def test_a_folder_with_a_run_is_not_used_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, out = written(tmp_path, DIGITS), tmp_path / "out"
    out.mkdir()
    (out / rundir.JOURNAL).touch()
    assert cli.main(["run", str(file), "--out", str(out)]) == 2
    assert errors(capsys) == [f"{out} holds a run already; name a new folder with --out"]


def test_a_run_that_fails_exits_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = make_photo_folder(tmp_path / "photos")
    damage_within(root / "train" / "circles" / "001.jpg")
    text = json.dumps(engine.photos(root).model_dump(mode="json", exclude_none=True))
    file, out = written(tmp_path, text), tmp_path / "out"
    assert cli.main(["run", str(file), "--out", str(out)]) == 1
    last = capsys.readouterr().out.splitlines()[-1]
    assert last.startswith("failed: ")
    assert "001.jpg" in last


def test_faults_have_their_line_and_column(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = written(
        tmp_path, DIGITS.replace("lr: 0.1", "lrr: 0.1").replace("epochs: 2", "epochs: x")
    )
    assert cli.main(["plan", str(file)]) == 2
    assert errors(capsys) == [
        f"{file}:5:3: train.epochs: should be a valid integer, not 'x'",
        f"{file}:7:15: train.optimizer.sgd.lr: is missing",
        f"{file}:7:21: train.optimizer.sgd.lrr: unknown key `lrr`; did you mean `lr`?",
    ]


def test_a_map_is_asked_for_with_its_keys_and_a_key_is_sent_to_its_place(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = """\
ema: true
  outputs: [curves]
  augment: []
  early_stopping: {epochs: 2}
  optimizer: {adamw: 1e-3}"""
    text = DIGITS.replace("epochs: 2", f"epochs: 2\n  {wrong}")
    file = written(tmp_path, text.replace("  optimizer: {sgd: {lr: 0.1}}\n", ""))
    assert cli.main(["plan", str(file)]) == 2
    assert errors(capsys) == [
        f"{file}:6:3: train.ema: should be a map of decay, every, adjust, not true",
        f"{file}:7:3: train.outputs: unknown key `outputs`; it belongs at the top, beside `train`",
        f"{file}:8:3: train.augment: unknown key `augment`; did you mean `data.augment`?",
        f"{file}:9:20: train.early_stopping.epochs: unknown key `epochs`; did you mean "
        "`min_epochs`?",
        f"{file}:10:15: train.optimizer.adamw: should be a map of lr, betas, eps, weight_decay, "
        "amsgrad, not 0.001",
    ]


def test_faults_of_the_plan_have_theirs_too(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = DIGITS.replace("name: tiny\n", "").replace("batch_size: 8", "batch_size: 900")
    file = written(tmp_path, text.replace("epochs: 2", "trains: [head, last:2]\n  epochs: 2"))
    assert cli.main(["plan", str(file)]) == 2
    assert errors(capsys) == [
        f"{file}:4:18: train.trains[1]: `last:2` needs a number from 1 to 1: cnn has 1 block "
        "with parameters before its head",
        f"{file}:6:3: train.batch_size: is 900, but there are 40 images to train on; "
        "use at most 40",
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("data: [1", ":1:9: the `[` opened in line 1, column 7 is not closed properly"),
        ("", ":1:1: the file is empty; it must hold keys and values"),
        ("- 1", ":1:1: the top level must be keys and values, not a list"),
        ("x" * (2**20 + 1), ": is over 1 MiB; data belongs in files that it names"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, message: str
) -> None:
    file = written(tmp_path, text)
    assert cli.main(["plan", str(file)]) == 2
    assert errors(capsys) == [f"{file}{message}"]


def test_a_missing_file_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["plan", str(tmp_path / "x.yaml")]) == 2
    assert errors(capsys) == [f"{tmp_path}/x.yaml: cannot be read: No such file or directory"]


def test_relative_paths_are_relative_to_the_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_photo_folder(tmp_path / "photos")
    body = engine.photos(Path("photos"), epochs=1).model_dump(mode="json", exclude_none=True)
    file = written(tmp_path, json.dumps(body))
    assert cli.main(["plan", "--json", str(file)]) == 0
    made = json.loads(capsys.readouterr().out)
    assert made["data"]["source"] == f"folder {tmp_path}/photos"
    body["data"]["manifest"] = {"path": "list.csv"}
    del body["data"]["folder"]
    assert cli.main(["plan", str(written(tmp_path, json.dumps(body)))]) == 2
    assert f"{tmp_path}/list.csv cannot be read" in capsys.readouterr().err


def test_predict_says_a_line_per_image(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = make_photo_folder(tmp_path / "photos")
    engine.trained(tmp_path / "run", engine.photos(root, epochs=1))
    images = [str(root / "val" / "circles" / f"00{i}.jpg") for i in range(2)]
    capsys.readouterr()

    assert cli.main(["predict", str(tmp_path / "run"), *images]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert cli.main(["predict", "--json", str(tmp_path / "run"), *images]) == 0
    objects = [json.loads(line) for line in capsys.readouterr().out.splitlines()]

    assert [one["path"] for one in objects] == images
    assert lines == [f"{o['path']}  {o['label']}  {o['probability']:.4f}" for o in objects]
    assert sum(objects[0]["scores"]) == pytest.approx(1.0)


def test_predict_refuses_what_is_no_model_or_no_image(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = make_photo_folder(tmp_path / "photos")
    engine.trained(tmp_path / "run", engine.photos(root, epochs=1))
    capsys.readouterr()
    assert cli.main(["predict", str(tmp_path), "x.jpg"]) == 2
    assert errors(capsys)[0].startswith(f"{tmp_path} has neither artifacts/model.safetensors nor")
    assert cli.main(["predict", str(tmp_path / "run"), f"{tmp_path}/x.jpg"]) == 2
    assert errors(capsys) == [f"{tmp_path}/x.jpg cannot be read: No such file or directory"]


def test_schema_prints_the_schema(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["schema"]) == 0
    assert json.loads(capsys.readouterr().out) == based.schema()


def test_the_schema_needs_no_torch() -> None:
    code = "import sys, fttrain.__main__ as m; m.main(['schema']); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], stdout=subprocess.DEVNULL).returncode == 0


def test_a_reader_that_goes_away_is_no_traceback(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [sys.executable, "-m", "fttrain", "schema"], stdout=writer, stderr=subprocess.PIPE
    )
    os.close(writer)
    assert (done.returncode, done.stderr) == (1, b"")
