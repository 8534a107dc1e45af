"""What the plan says of bad files and of images that lie in two splits."""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from fttrain import plan, run
from fttrain.data import audit, decode, sources
from fttrain.data.sparing import Sparing
from fttrain.events import Failed, Finished, Notice
from fttrain.spec.faults import RecipeFaults
from fttrain.spec.images import Data
from fttrain.spec.plan import Means
from tests import engine
from tests.photos import damage_within, make_photo_folder


def data(root: Path, **more: Any) -> Data:
    return Data.model_validate_json(json.dumps({"folder": {"path": str(root)}, **more}))


def look(root: Path, cache: Path | None = None, **more: Any) -> audit.Audit:
    chosen = data(root, **more)
    return audit.look(sources.load(chosen), chosen, cache)


def refused(root: Path, **more: Any) -> dict[str, str]:
    with pytest.raises(RecipeFaults) as caught:
        look(root, **more)
    return {fault.field: fault.description for fault in caught.value.faults}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return make_photo_folder(tmp_path / "p", ("a", "b"), per_class=50, size=(12, 12))


def spoil(root: Path) -> dict[str, str]:
    """Make 6 of 200 images bad, each in another way; return what is said of each."""
    (root / "train/a/000.jpg").write_bytes(b"")
    (root / "train/a/001.jpg").write_text("<html>404</html>")
    whole = root / "train/b/002.jpg"
    Image.effect_noise((64, 64), 90).save(whole)
    whole.write_bytes(whole.read_bytes()[:1500])
    Image.new("1", (20_000, 10_000)).save(root / "val/a/003.jpg", format="PNG")
    Image.new("1", (20_000, 6_000)).save(root / "val/b/004.jpg", format="PNG")
    damage_within(root / "val/b/005.jpg")
    return {
        "train/a/000.jpg": "is no image of a known kind: it is empty",
        "train/a/001.jpg": "is no image of a known kind: it begins with b'<html>404</h'",
        "train/b/002.jpg": "is damaged: image file is truncated (",
        "val/a/003.jpg": "is far over the limit of 100 megapixels; scale it down",
        "val/b/004.jpg": "has 120 megapixels (20000 x 6000), over the limit of 100; scale it down",
        "val/b/005.jpg": "is damaged: ",
    }


def test_bad_images_are_left_out_by_name(root: Path) -> None:
    expected = spoil(root)

    found = look(root, max_bad="3%")

    assert found.bad.keys() == expected.keys()
    for name, why in expected.items():
        assert found.bad[name].startswith(why)
    (notice,) = found.notices
    assert notice.startswith(
        "6 images cannot be read and are left out: train/a/000.jpg is no image of a known kind: "
        "it is empty; train/a/001.jpg is no image"
    )


def test_three_per_cent_of_bad_files_are_more_than_one(root: Path) -> None:
    expected = spoil(root)

    fault = refused(root, max_bad="1%")["data.max_bad"]

    assert fault.startswith("is 1%, but 6 of 200 images cannot be read (3 %): train/a/000.jpg is ")
    assert fault.endswith("; replace or remove them, or allow more")
    assert all(name in fault for name in expected)


def test_a_run_with_too_many_bad_files_fails_with_their_names(root: Path, tmp_path: Path) -> None:
    """Those that look sound at first and last byte show when they are decoded."""
    bad = [f"train/a/{number:03d}.jpg" for number in range(6)]
    for name in bad:
        damage_within(root / name)
    body = engine.photos(root, epochs=1, batch_size=100)
    run_dir = engine.prepare(tmp_path / "run", body)

    assert run.run(run_dir) == 1
    (failed,) = [record for record in engine.records(run_dir) if isinstance(record, Failed)]
    assert failed.reason == "bad_data"
    assert failed.remedy == "Replace or remove them, or raise data.max_bad; submit again."
    assert "of 200 images cannot be read (" in failed.message
    assert sum(name in failed.message for name in bad) > 2


@pytest.mark.parametrize("workers", [0, 2])
def test_few_bad_files_are_told_and_others_of_their_class_stand_in(
    root: Path, tmp_path: Path, *, workers: int
) -> None:
    for name in ("train/a/049.jpg", "train/a/000.jpg"):
        damage_within(root / name)
    recipe = engine.photos(root, epochs=2, batch_size=20)
    recipe = recipe.model_copy(update={"data": recipe.data.model_copy(update={"workers": workers})})

    records = engine.trained(tmp_path / "run", recipe)

    assert isinstance(records[-1], Finished)
    told = sorted(
        record.message
        for record in records
        if isinstance(record, Notice) and not record.message.startswith("validation has ")
    )
    assert [message.split(" is damaged: ")[0] for message in told] == [
        "train/a/000.jpg",
        "train/a/049.jpg",
    ]
    assert all(m.endswith("; another image of its class takes its place") for m in told)


def test_the_next_of_its_class_takes_a_bad_ones_place(root: Path) -> None:
    for name in ("train/a/048.jpg", "train/a/049.jpg"):
        damage_within(root / name)
    samples = sources.load(data(root)).train
    spared = Sparing(samples)

    seen = spared.image(48)

    assert samples.name(48) == "train/a/048.jpg"
    assert (seen == samples.image(0)).all()
    assert list(spared.news()) == ["train/a/048.jpg", "train/a/049.jpg"]
    assert spared.news() == {}


def test_a_class_that_loses_all_its_images_is_a_fault(tmp_path: Path) -> None:
    root = make_photo_folder(tmp_path / "p", ("a", "b"), per_class=2, size=(8, 8))
    for image in (root / "val" / "b").iterdir():
        image.write_bytes(b"")

    faults = refused(root, max_bad=2)

    assert faults == {"data": "class `b` has no image left in val that can be used"}


# --- the same image in two splits --------------------------------------------------------------


def twins(root: Path) -> None:
    """Put two images of a, twice each, into val, one of them as class b; and one into test."""
    train, val = root / "train", root / "val"
    shutil.copytree(val, root / "test")
    for image in (root / "test").glob("*/*.jpg"):
        image.write_bytes(image.read_bytes() + image.parent.name.encode() + image.name.encode())
    shutil.copy(train / "a/000.jpg", train / "a/900.jpg")
    shutil.copy(train / "a/000.jpg", val / "a/010.jpg")
    shutil.copy(train / "a/001.jpg", val / "b/011.jpg")
    shutil.copy(val / "b/020.jpg", root / "test/b/021.jpg")


def having_test(root: Path, **more: Any) -> dict[str, Any]:
    return {"folder": {"path": str(root), "test": "test"}, **more}


def test_images_in_two_splits_are_counted_and_named(root: Path) -> None:
    twins(root)
    chosen = Data.model_validate(having_test(root))

    found = audit.look(sources.load(chosen), chosen)

    assert found.dropped == ()
    assert found.notices == (
        "the same image lies in two splits, so that scores flatter: 2 of val in train, "
        "1 of test in val, 1 of them as another class (train/a/000.jpg = val/a/010.jpg, "
        "train/a/001.jpg = val/b/011.jpg, val/b/020.jpg = test/b/021.jpg); "
        "`data.duplicates: drop` keeps them out of training, `refuse` refuses them",
    )


def test_images_in_two_splits_stay_only_where_they_are_scored_last(root: Path) -> None:
    twins(root)
    recipe = engine.photos(root)
    chosen = Data.model_validate(having_test(root, duplicates="drop", preprocess=engine.FRAMED))
    made = engine.planned(recipe.model_copy(update={"data": chosen}))

    assert made.data.dropped == [
        "train/a/000.jpg", "train/a/001.jpg", "train/a/900.jpg", "val/b/020.jpg",
    ]  # fmt: skip
    assert made.data.test is not None
    assert (made.data.train.images, made.data.val.images) == (98, 99)
    assert made.data.test.images == 100
    assert engine.notices(recipe.model_copy(update={"data": chosen})) == [
        "4 images are dropped, as the same lies in a split that is scored: train/a/000.jpg, "
        "train/a/001.jpg, train/a/900.jpg, val/b/020.jpg"
    ]


def test_the_same_flower_under_two_names_is_found(shared: Path, tmp_path: Path) -> None:
    subprocess.run(["tar", "-xf", shared / "data/flowers5.tar", "-C", tmp_path], check=True)
    split = {"val": 0.15, "test": 0.15}
    body = {"folder": {"path": str(tmp_path / "flowers5"), "split": split}}
    data = Data.model_validate(body)

    found = audit.look(sources.load(data), data)

    assert found.bad == {}
    assert found.notices == (
        "the same image lies in two splits, so that scores flatter: 1 of val in train, "
        "2 of test in train, 1 of test in val, 3 of them as another class ("
        "tulip/17291451621_0e39f08b9e_n.jpg = rose/17291451621_0e39f08b9e_n.jpg, "
        "tulip/17291930305_79deae6a90_n.jpg = rose/17291930305_79deae6a90_n.jpg, "
        "rose/15922772266_1167a06620.jpg = tulip/15922772266_1167a06620.jpg, "
        "sunflower/15072973261_73e2912ef2_n.jpg = sunflower/15069459615_7e0fd61914_n.jpg); "
        "`data.duplicates: drop` keeps them out of training, `refuse` refuses them",
    )


def test_images_in_two_splits_can_be_refused(root: Path) -> None:
    shutil.copy(root / "train/a/000.jpg", root / "val/a/010.jpg")

    assert refused(root, duplicates="refuse") == {
        "data.duplicates": "the same image lies in two splits, so that scores flatter: 1 of val "
        "in train (train/a/000.jpg = val/a/010.jpg); remove them from one, or say "
        "`duplicates: drop`"
    }


def test_of_too_many_images_it_is_said_that_none_was_looked_for(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit, "MOST_LOOKED_AT", 199)

    assert look(root).notices == (
        "over 200,000 images: whether some lie in two splits was not looked for; "
        "`data.duplicates: drop` or `refuse` does",
    )
    assert look(root, duplicates="refuse").notices == ()


# --- what is known is not asked again ------------------------------------------------------------


def test_a_second_plan_reads_no_image(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spoil(root)
    shutil.copy(root / "train/a/010.jpg", root / "val/a/010.jpg")
    first = look(root, tmp_path / "cache", max_bad=6)
    assert len(first.notices) == 2
    read: list[Path] = []
    plain = Path.open

    def watch(path: Path, *given: Any, **named: Any) -> Any:
        read.append(path)
        return plain(path, *given, **named)

    monkeypatch.setattr(Path, "open", watch)

    assert look(root, tmp_path / "cache", max_bad=6) == first
    assert [path for path in read if path.is_relative_to(root)] == []
    # Another one: alone it is looked at.
    Image.new("RGB", (12, 12)).save(root / "val/a/011.jpg")
    os.utime(root / "val/a/011.jpg", (0, 0))
    read.clear()
    look(root, tmp_path / "cache", max_bad=6)
    assert {path for path in read if path.is_relative_to(root)} == {root / "val/a/011.jpg"}


def test_a_plan_keeps_what_it_learns_beside_itself(root: Path, tmp_path: Path) -> None:
    recipe = engine.photos(root)

    plan.memoised(recipe, references={}, means=Means(cpus=1), cache=tmp_path / "cache")

    (kept,) = (tmp_path / "cache" / "images").iterdir()
    assert len(json.loads(kept.read_text())) == 200


def test_only_doubtful_training_images_are_decoded(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = root / "train/a/000.jpg"
    whole.write_bytes(whole.read_bytes() + bytes(9000))  # As some cameras do.
    decoded: list[Path] = []
    plain = decode.picture

    def watch(path: Path, how: decode.Decoding = decode.PLAIN) -> Image.Image:
        decoded.append(path)
        return plain(path, how)

    monkeypatch.setattr(decode, "picture", watch)

    assert look(root).bad == {}
    assert [path for path in decoded if path.is_relative_to(root / "train")] == [whole]
    assert len(decoded) == 101
