"""Weights are found, read without running code, and must fit."""

import os
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
import torchvision

from fttrain.models import build, fit, known, weights
from fttrain.models.download import fetch
from fttrain.models.tensors import BadWeights
from fttrain.models.weights import Lineage, Weights
from fttrain.spec.faults import RecipeFaults
from fttrain.spec.images import Preprocess
from fttrain.spec.network import Cnn, Model
from tests import engine
from tests.photos import make_photo_folder

State = dict[str, torch.Tensor]
PLAIN = Preprocess(mean=[0.5], std=[0.5])


@pytest.fixture(scope="module")
def state() -> State:
    torch.manual_seed(0)
    values: State = torchvision.models.resnet18(num_classes=3).state_dict()
    return values


def no_network(url: str, path: Path, *, sha256_begin: str) -> None:
    raise BadWeights(f"{url} cannot be downloaded: no network")


def read(text: str, tmp_path: Path, *, name: str = "resnet18", **references: str) -> Weights | None:
    model = Model(name=name, weights=text)
    return weights.read(model, references, cache=tmp_path / "cache", fetch=no_network)


def fault(text: str, tmp_path: Path, *, name: str = "resnet18") -> str:
    with pytest.raises(RecipeFaults) as caught:
        read(text, tmp_path, name=name)
    (found,) = caught.value.faults
    assert found.field == "model.weights"
    return found.description.replace(str(tmp_path), "TMP")


def test_none_is_no_weights(tmp_path: Path) -> None:
    assert read("none", tmp_path) is None


WRAPPINGS: list[Callable[[State], Any]] = [
    lambda state: state,
    lambda state: {"state_dict": state, "epoch": 3},
    lambda state: {"model": {f"module.{name}": value for name, value in state.items()}},
    lambda state: {f"_orig_mod.module.{name}": value for name, value in state.items()},
    lambda state: {f"module._orig_mod.{name}": value for name, value in state.items()},
]


@pytest.mark.parametrize("wrap", WRAPPINGS)
@pytest.mark.parametrize("is_zip", [True, False])
def test_pickles_of_training_scripts_are_unwrapped(
    tmp_path: Path, state: State, wrap: Callable[[State], Any], is_zip: bool
) -> None:
    path = tmp_path / "weights.pt"
    torch.save(wrap(state), path, _use_new_zipfile_serialization=is_zip)

    found = read(f"file:{path}", tmp_path)

    assert found is not None
    assert found.path == path
    assert found.tensors.keys() == state.keys()
    assert all(torch.equal(found.tensors[name], value) for name, value in state.items())
    assert len(found.sha256) == 64
    assert found.lineage is None


def test_safetensors_are_read(tmp_path: Path, state: State) -> None:
    path = tmp_path / "weights.safetensors"
    safetensors.torch.save_file(state, path)
    found = read(f"file:{path}", tmp_path)
    assert found is not None
    assert all(torch.equal(found.tensors[name], value) for name, value in state.items())


class Bomb:
    """Says that it was run by making a folder."""

    def __init__(self, witness: Path) -> None:
        self._witness = witness

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self._witness),)


@pytest.mark.parametrize("is_zip", [True, False])
def test_a_pickle_with_code_in_it_is_refused_and_not_run(tmp_path: Path, is_zip: bool) -> None:
    path, witness = tmp_path / "bomb.pt", tmp_path / "witness"
    torch.save({"a": Bomb(witness)}, path, _use_new_zipfile_serialization=is_zip)

    assert fault(f"file:{path}", tmp_path) == (
        "TMP/bomb.pt is a pickle with code in it (posix.mkdir) and was not run; save the "
        "weights alone, with torch.save(model.state_dict(), PATH), or as safetensors"
    )
    assert not witness.exists()


def test_a_pickled_module_is_refused_as_code(tmp_path: Path) -> None:
    path = tmp_path / "module.pt"
    torch.save(torch.nn.Linear(2, 2), path)
    assert fault(f"file:{path}", tmp_path).startswith(
        "TMP/module.pt is a pickle with code in it (torch.nn.modules.linear.Linear) and was not run"
    )


BROKEN = [
    (b"", "is no whole file of weights that torch can read"),
    (b"\xff\xd8\xff\xe0 a photo", "is no file of weights that torch can read"),
    (b"hello, I am a text", "is no whole file of weights that torch can read"),
    (pickle.dumps([1, 2], protocol=4), "is no file of weights that torch can read"),
]


@pytest.mark.parametrize(("data", "message"), BROKEN)
def test_what_is_no_file_of_weights_is_refused(tmp_path: Path, data: bytes, message: str) -> None:
    (tmp_path / "x.pt").write_bytes(data)
    assert fault(f"file:{tmp_path / 'x.pt'}", tmp_path) == f"TMP/x.pt {message}"


@pytest.mark.parametrize("suffix", ["pt", "safetensors"])
def test_a_file_that_was_cut_short_is_refused(tmp_path: Path, state: State, suffix: str) -> None:
    path = tmp_path / f"x.{suffix}"
    torch.save(state, path) if suffix == "pt" else safetensors.torch.save_file(state, path)
    path.write_bytes(path.read_bytes()[:100_000])
    assert fault(f"file:{path}", tmp_path).startswith(f"TMP/x.{suffix} is no whole ")


def test_a_file_without_named_tensors_says_what_it_holds(tmp_path: Path) -> None:
    torch.save({"epoch": 3, "weights": {"a": torch.ones(1)}}, tmp_path / "x.pt")
    torch.save([torch.ones(1)], tmp_path / "list.pt")
    wrappers = "known wrappers: state_dict, model, model_state_dict, model_ema, net"
    assert fault(f"file:{tmp_path / 'x.pt'}", tmp_path) == (
        f"TMP/x.pt holds no named tensors but a dict with `epoch`, `weights`; {wrappers}"
    )
    assert fault(f"file:{tmp_path / 'list.pt'}", tmp_path) == (
        f"TMP/list.pt holds no named tensors but list; {wrappers}"
    )


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    assert fault(f"file:{tmp_path}/x.pt", tmp_path) == (
        "TMP/x.pt cannot be read: No such file or directory"
    )
    assert fault(f"file:{tmp_path}", tmp_path) == "TMP cannot be read: Is a directory"


def test_a_job_is_found_by_its_reference(tmp_path: Path, state: State) -> None:
    path = tmp_path / "weights.pt"
    torch.save(state, path)
    model = Model(name="resnet18", weights="job:pretrain/best")
    found = weights.read(model, {"job:pretrain/best": str(path)}, cache=tmp_path)
    assert found is not None
    assert found.path == path
    assert fault("job:pretrain/best", tmp_path) == (
        "no job is known here that `job:pretrain/best` could mean; use `file:PATH`"
    )


# --- published weights ----------------------------------------------------------------------


def test_an_unknown_member_is_refused_with_those_that_are(tmp_path: Path) -> None:
    assert fault("IMAGENET1K_V3", tmp_path, name="resnet50") == (
        "`IMAGENET1K_V3` is unknown for resnet50; known: none, IMAGENET1K_V1, IMAGENET1K_V2, "
        "file:PATH, job:NAME/best. Did you mean `IMAGENET1K_V2`?"
    )


def test_a_path_without_its_word_is_answered_with_the_word(tmp_path: Path) -> None:
    assert fault("/nets/a.pth", tmp_path, name="resnet50") == (
        "`/nets/a.pth` is unknown; a file is named as `file:/nets/a.pth`"
    )


def test_a_cnn_has_no_published_weights(tmp_path: Path) -> None:
    with pytest.raises(RecipeFaults, match="a `cnn` starts from none, file:PATH or job:NAME/best"):
        weights.read(Model(cnn=Cnn(), weights="IMAGENET1K_V1"), {}, cache=tmp_path)


def test_weights_that_cannot_be_downloaded_say_where_to_put_the_file(tmp_path: Path) -> None:
    assert fault("IMAGENET1K_V1", tmp_path, name="mobilenet_v2") == (
        "https://download.pytorch.org/models/mobilenet_v2-b0353104.pth cannot be downloaded: no "
        "network; download it elsewhere and put it at TMP/cache/mobilenet_v2-b0353104.pth, or "
        "name it as `file:PATH`"
    )


def test_a_file_under_a_published_name_must_be_that_file(tmp_path: Path, state: State) -> None:
    path = tmp_path / "resnet18-f37072fd.pth"
    torch.save(state, path)
    message = fault(f"file:{path}", tmp_path)
    assert message.startswith("TMP/resnet18-f37072fd.pth is damaged: its SHA-256 begins with ")
    assert message.endswith(", its name says f37072fd; download it again")


def test_a_known_digest_brings_preprocessing_and_classes(shared: Path, tmp_path: Path) -> None:
    path = tmp_path / "renamed.pth"
    shutil.copy(shared / "weights" / "mobilenet_v2-b0353104.pth", path)
    by_digest = read(f"file:{path}", tmp_path, name="mobilenet_v2")
    (tmp_path / "cache").mkdir()
    shutil.copy(path, tmp_path / "cache" / "mobilenet_v2-b0353104.pth")
    by_name = read("IMAGENET1K_V1", tmp_path, name="mobilenet_v2")

    assert by_digest is not None
    assert by_name is not None
    assert by_digest.lineage == by_name.lineage
    assert by_digest.lineage is not None
    assert by_digest.lineage.origin == "weights mobilenet_v2 IMAGENET1K_V1"
    assert by_digest.lineage.preprocess == Preprocess(
        resize=256, crop=224, mean=[0.485, 0.456, 0.406], std=[0.229, 0.224, 0.225]
    )
    assert len(by_digest.lineage.classes) == 1000


def test_each_publication_tells_its_own_preprocessing() -> None:
    resizes = {p.member: p.preprocess.resize for p in known.published("resnet50")}
    assert resizes == {"IMAGENET1K_V1": 256, "IMAGENET1K_V2": 232}


def test_a_download_is_there_whole_or_not_at_all(tmp_path: Path) -> None:
    source, path = tmp_path / "source", tmp_path / "cache" / "file"
    source.write_bytes(b"weights")
    with pytest.raises(BadWeights, match="gave a file whose SHA-256 begins with 9a129038"):
        fetch(source.as_uri(), path, sha256_begin="00000000")
    assert list(path.parent.iterdir()) == []

    fetch(source.as_uri(), path, sha256_begin="9a129038")
    assert path.read_bytes() == b"weights"

    with pytest.raises(BadWeights, match="refused"):
        fetch("http://127.0.0.1:9/file", tmp_path / "other", sha256_begin="0")


# --- fit and head ---------------------------------------------------------------------------


def compare(state: State, *, keep_head: bool, name: str = "resnet18") -> str:
    net = build.skeleton(Model(name=name), classes=2, channels=3)
    with pytest.raises(RecipeFaults) as caught:
        fit.compare(net, state, keep_head=keep_head, source="file:x.pt")
    (found,) = caught.value.faults
    assert found.field == "model.weights"
    return found.description


def test_weights_that_fit_but_for_the_head_load_all_the_rest(state: State) -> None:
    net = build.skeleton(Model(name="resnet18"), classes=2, channels=3)
    found = fit.compare(net, state, keep_head=False, source="file:x.pt")
    assert found.new == ["fc.weight", "fc.bias"]
    assert found.loaded == [name for name in state if not name.startswith("fc.")]


def test_weights_that_do_not_fit_are_a_short_account(state: State) -> None:
    assert compare(state, keep_head=False, name="resnet50") == (
        "`file:x.pt` does not fit resnet50: 97 tensors match; 165 missing, such as "
        "layer1.0.conv3.weight and layer1.0.bn3.weight; 23 of another shape, such as "
        "layer1.0.conv1.weight (64x64x3x3, not 64x64x1x1) and layer1.1.conv1.weight "
        "(64x64x3x3, not 64x256x1x1) (the head apart)"
    )


def test_a_head_that_shall_stay_counts(state: State) -> None:
    assert compare(state, keep_head=True) == (
        "`file:x.pt` does not fit resnet18: 120 tensors match; 2 of another shape, such as "
        "fc.weight (3x512, not 2x512) and fc.bias (3, not 2)"
    )


def test_unexpected_tensors_are_counted(state: State) -> None:
    more = {**state, "extra.weight": torch.ones(1)}
    assert compare(more, keep_head=False) == (
        "`file:x.pt` does not fit resnet18: 120 tensors match; 1 unexpected, such as "
        "extra.weight (the head apart)"
    )


def test_old_files_do_not_count_batches(state: State) -> None:
    old = {name: value for name, value in state.items() if "num_batches" not in name}
    net = build.skeleton(Model(name="resnet18"), classes=3, channels=3)
    found = fit.compare(net, old, keep_head=True, source="file:x.pt")
    assert found.loaded == list(old)
    loaded = build.loaded(Model(name="resnet18"), classes=3, channels=3, tensors=old, seed=0)
    assert not any(tensor.is_meta for tensor in loaded.module.state_dict().values())


def of_job(*classes: str, net: Model | None = None) -> Lineage:
    model = net or Model(name="resnet18")
    return Lineage(net=model, classes=classes, preprocess=PLAIN, origin="job pretrain")


def keeps(head: str, lineage: Lineage | None, *classes: str) -> bool:
    model = Model.model_validate({"name": "resnet18", "weights": "file:x.pt", "head": head})
    return weights.keeps_head(model, lineage, classes)


def test_the_head_stays_where_net_and_classes_are_those_of_the_weights() -> None:
    assert keeps("auto", of_job("ants", "bees"), "ants", "bees")
    assert keeps("keep", of_job("ants", "bees"), "ants", "bees")
    assert not keeps("new", of_job("ants", "bees"), "ants", "bees")
    assert not keeps("auto", of_job("bees", "ants"), "ants", "bees")
    assert not keeps("auto", of_job("ants", "bees", net=Model(name="resnet34")), "ants", "bees")
    assert not keeps("auto", None, "ants", "bees")


@pytest.mark.parametrize(
    ("lineage", "message"),
    [
        (None, "`file:x.pt` says nothing of the classes of its head"),
        (
            of_job("a", "b", "c", "d"),
            "the head of `file:x.pt` has 4 classes (a, b, c, ...), the data 2 classes (ants, bees)",
        ),
        (of_job("ants", "bees", net=Model(cnn=Cnn())), "`file:x.pt` is of another net"),
    ],
)
def test_a_head_that_cannot_stay_is_a_fault(lineage: Lineage | None, message: str) -> None:
    with pytest.raises(RecipeFaults) as caught:
        keeps("keep", lineage, "ants", "bees")
    (found,) = caught.value.faults
    assert found.field == "model.head"
    assert found.description == f"cannot keep the head: {message}; say `head: new`"


# --- jobs of our own ------------------------------------------------------------------------


@pytest.mark.parametrize("file", ["checkpoints/best.safetensors", "artifacts/model.safetensors"])
def test_a_job_goes_on_from_another_with_its_head_and_preprocessing(
    tmp_path: Path, file: str
) -> None:
    root = make_photo_folder(tmp_path / "photos")
    first, second = tmp_path / "first", tmp_path / "second"
    engine.trained(first, engine.photos(root))
    data = {"folder": {"path": str(root)}}
    model = {"cnn": {"channels": [4, 8], "dropout": 0.2}, "weights": "job:first/best"}
    recipe = engine.parsed(data, model, {"epochs": 1})
    plan = engine.planned(recipe, **{"job:first/best": str(first / file)})

    assert plan.preprocess.origin == "job tested"
    assert plan.preprocess.steps == Preprocess(**engine.FRAMED)
    assert plan.weights.head == "kept"
    assert plan.weights.tensors_new == []
    engine.trained(second, recipe, plan)


def test_weights_of_a_job_are_loaded_bit_for_bit(tmp_path: Path) -> None:
    root = make_photo_folder(tmp_path / "photos")
    engine.trained(tmp_path / "first", engine.photos(root, epochs=1))
    files = ("checkpoints/best.safetensors", "artifacts/model.safetensors")
    found = [read(f"file:{tmp_path / 'first' / file}", tmp_path) for file in files]
    best, model = (one.tensors for one in found if one is not None)
    assert best.keys() == model.keys()
    assert all(torch.equal(best[name], model[name]) for name in best)
