"""Tables of images: what is wrong with them is said by line."""

from pathlib import Path

import pytest

from fttrain.data import sources
from fttrain.data.samples import Source
from fttrain.spec.faults import RecipeFaults
from fttrain.spec.images import Data
from tests.photos import make_photo_folder

GOOD = "image,label,split\np/train/a/000.jpg,a,train\np/train/b/000.jpg,b,train\n"
VAL = "p/val/a/000.jpg,a,val\np/val/b/000.jpg,b,val\n"


@pytest.fixture(autouse=True)
def _photos(tmp_path: Path) -> None:
    make_photo_folder(tmp_path / "p", ("a", "b"), per_class=1, size=(8, 8))


def load(place: Path, text: str | bytes, name: str = "list.csv", **more: object) -> Source:
    path = place / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return sources.load(Data.model_validate({"manifest": {"path": str(path), **more}}))


def refused(place: Path, text: str | bytes, name: str = "list.csv", **more: object) -> str:
    with pytest.raises(RecipeFaults) as caught:
        load(place, text, name, **more)
    told = "\n".join(f"{each.field}: {each.description}" for each in caught.value.faults)
    return told.replace(str(place), "HERE")


def test_a_table_is_read_with_a_mark_of_its_coding_and_windows_lines(tmp_path: Path) -> None:
    source = load(tmp_path, b"\xef\xbb\xbf" + (GOOD + VAL).replace("\n", "\r\n").encode())

    assert (len(source.train), len(source.val), source.test) == (2, 2, None)


def test_a_path_may_be_whole_where_it_lies_beneath_the_root(tmp_path: Path) -> None:
    source = load(tmp_path, (GOOD + VAL).replace("p/val/a", f"{tmp_path}/p/val/a"))

    assert source.val.name(0) == "p/val/a/000.jpg"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "path: HERE/list.csv has no rows; a CSV begins with a line that names columns"),
        (b"\xff", "path: HERE/list.csv is not UTF-8 text"),
        (
            GOOD.replace("label", "lable"),
            "label: HERE/list.csv has no column `label`; did you mean `lable`?",
        ),
        (
            GOOD.replace("split", "fold"),
            "split: HERE/list.csv has no column `split`; columns there: image, label, fold; or "
            "say `parts: {val: 0.2}` to part the rows",
        ),
        (
            GOOD + VAL + "p/val/b/000.jpg,b,trian\n",
            "path: HERE/list.csv: line 6: `trian` is no split; did you mean `train`?",
        ),
        (
            GOOD + VAL + "../x.jpg,a,val\n",
            "path: HERE/list.csv: line 6: `../x.jpg` leads out of HERE",
        ),
        (
            GOOD + VAL + "/etc/passwd,a,val\n",
            "path: HERE/list.csv: line 6: `/etc/passwd` leads out of HERE",
        ),
        (GOOD + VAL + "p/val/b/000.jpg,,val\n", "path: HERE/list.csv: line 6: `label` is empty"),
        (
            GOOD + VAL + "p/val/b/7.jpg,b,val\np/val/b/8.jpg,b,val\n",
            "root: 2 images are not there, beginning at HERE: line 6: p/val/b/7.jpg; "
            "line 7: p/val/b/8.jpg",
        ),
        (
            GOOD + VAL + "p/train/a/../a/000.jpg,a,val\n",
            "path: 1 image is listed before: line 6: p/train/a/000.jpg",
        ),
        (GOOD, "split: HERE/list.csv has no row that says `val`; or say `parts: {val: 0.2}`"),
        (
            "image,label,split\np/train/a/000.jpg,a,train\np/val/a/000.jpg,a,val\n",
            "label: HERE/list.csv has one class alone; to tell apart takes two classes",
        ),
        (
            (GOOD + VAL).replace("000.jpg,b,val", "000.jpg,bb,val"),
            "label: has class `bb`, which `train` lacks; `train` has classes `a`, `b`. "
            "Rename `bb` to `b`?\ndata.manifest.label: lacks class `b`, which `train` has; every "
            "class needs images to validate on",
        ),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_table_is_said(tmp_path: Path, text: str | bytes, told: str) -> None:
    assert refused(tmp_path, text) == f"data.manifest.{told}"


def test_lines_that_are_no_objects_are_named(tmp_path: Path) -> None:
    assert refused(tmp_path, "{}\n{\n", "list.jsonl").startswith(
        "data.manifest.path: HERE/list.jsonl, line 2: is not JSON: Expecting property name"
    )
    assert refused(tmp_path, "[1]\n", "list.jsonl") == (
        "data.manifest.path: HERE/list.jsonl, line 1: is no object such as {'image': 'a.jpg'}"
    )


def test_a_table_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(RecipeFaults, match=r"no\.csv cannot be read: No such file or directory"):
        sources.load(Data.model_validate({"manifest": {"path": str(tmp_path / "no.csv")}}))


@pytest.mark.parametrize("name", ["p/train/a/000.jpg/deeper.jpg", "x" * 300 + ".jpg"])
def test_a_path_that_can_lead_nowhere_is_told_by_its_line(tmp_path: Path, name: str) -> None:
    assert refused(tmp_path, f"{GOOD}{VAL}{name},a,val\n") == (
        f"data.manifest.root: 1 image is not there, beginning at HERE: line 6: {name}"
    )


def test_an_image_in_a_folder_that_is_shut_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def denied(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr("fttrain.data.tree.os.stat", denied)

    assert refused(tmp_path, GOOD + VAL).startswith(
        "data.manifest.root: 4 images are not there, beginning at HERE: "
        "line 2: p/train/a/000.jpg (permission denied); "
    )


def test_half_a_letter_is_no_text(tmp_path: Path) -> None:
    row = '{"image": "p/train/a/000.jpg", "label": "\\ud83d", "split": "train"}\n'

    assert refused(tmp_path, row, "list.jsonl") == (
        "data.manifest.path: HERE/list.jsonl: line 1: `label` is no text: '\\ud83d'"
    )
