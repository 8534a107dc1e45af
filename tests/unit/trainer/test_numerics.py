"""`precision: auto`: trials of the net on this processor decide, are kept, and are told."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from fttrain import agenda, assembly, environment, loop, numerics, plan, report, tryout
from fttrain.data import sources
from fttrain.data.stream import Stream
from fttrain.data.view import TrainView
from fttrain.draft import Draft
from fttrain.numerics import Share
from fttrain.spec.plan import Means, Plan, TrialCard
from fttrain.spec.recipe import Recipe
from tests import engine
from tests.photos import make_photo_folder

ONE_OF_EACH = Share(ahead=1, steps=1, judged=1)
NATIVE = "avx2 avx512_bf16 fma"


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_photo_folder(tmp_path_factory.mktemp("photos"))


def trial(seconds: float, precision: Any = "fp32", layout: Any = "channels_last") -> TrialCard:
    third = seconds / 3
    return TrialCard(precision=precision, layout=layout, ahead_s=third, step_s=third, rest_s=third)


def decided(*trials: TrialCard, has_bf16: bool = True) -> tuple[str, str, str]:
    made = numerics.decide(trials, ONE_OF_EACH, has_bf16=has_bf16)
    assert made.speed is not None
    return made.precision, made.layout, made.speed.why


def planned(recipe: Recipe, cache: Path | None = None) -> Plan:
    return plan.make(recipe, references={}, means=Means(cpus=1), cache=cache)


def test_bf16_is_chosen_where_it_is_a_tenth_faster() -> None:
    found = decided(trial(2.1), trial(1.0, "bf16"))
    assert found == ("bf16", "channels_last", "bf16: 2.1 times as fast here as fp32")
    assert decided(trial(1.1), trial(1.0, "bf16"))[0] == "bf16"
    assert decided(trial(1.09), trial(1.0, "bf16")) == (
        "fp32", "channels_last", "fp32: bf16 is 1.09 times as fast here",
    )  # fmt: skip


def test_another_layout_is_chosen_where_it_is_a_tenth_faster_and_bf16_is_measured_by_it() -> None:
    both = trial(3.0), trial(2.0, layout="contiguous")
    told = "contiguous is 1.5 times as fast as channels_last"
    assert decided(*both, trial(1.9, "bf16", "contiguous")) == (
        "fp32", "contiguous", f"fp32: bf16 is 1.05 times as fast here, {told}",
    )  # fmt: skip
    assert decided(*both, trial(1.5, "bf16"), trial(1.0, "bf16", "contiguous")) == (
        "bf16", "contiguous", f"bf16: 2.0 times as fast here as fp32, {told}",
    )  # fmt: skip


def test_each_precision_has_its_own_layout_which_a_hair_does_not_decide() -> None:
    both = trial(2.0), trial(1.6, layout="contiguous")
    told = "bf16: 1.6 times as fast here as fp32"
    assert decided(*both, trial(1.0, "bf16"), trial(0.99, "bf16", "contiguous")) == (
        "bf16", "channels_last", told,
    )  # fmt: skip
    assert decided(*both, trial(1.0, "bf16"), trial(1.5, "bf16", "contiguous"))[1:] == (
        "channels_last", told,
    )  # fmt: skip


def test_why_it_stays_with_fp32_is_told() -> None:
    none = "fp32: this processor has no instructions for bf16"
    assert decided(trial(1.0), has_bf16=False) == ("fp32", "channels_last", none)
    assert decided(trial(1.0))[2] == "fp32: torch cannot compute this net in bf16"


def test_what_each_part_of_the_net_takes_counts_as_often_as_images_pass_it() -> None:
    fast_ahead = TrialCard(
        precision="bf16", layout="channels_last", ahead_s=0.5, step_s=2.0, rest_s=1.0
    )
    usual = TrialCard(precision="fp32", layout="channels_last", ahead_s=1, step_s=1, rest_s=1)
    once = numerics.decide([usual, fast_ahead], Share(ahead=1, steps=20, judged=1), has_bf16=True)
    often = numerics.decide([usual, fast_ahead], Share(ahead=9, steps=1, judged=1), has_bf16=True)
    assert (once.precision, often.precision) == ("fp32", "bf16")


def test_kept_features_count_once_and_others_in_each_epoch(photos: Path) -> None:
    def share(augment: list[Any]) -> Share:
        data = {
            "folder": {"path": str(photos)}, "preprocess": engine.FRAMED, "workers": 0,
            "augment": augment,
        }  # fmt: skip
        chosen = engine.parsed(data, {"cnn": {"channels": [4]}}, {"epochs": 5, "trains": ["head"]})
        return numerics.share(Draft(recipe=chosen, references={}))

    card = engine.planned(engine.photos(photos)).data
    train, val = card.train.images, card.val.images
    assert share([]) == Share(ahead=train + val, steps=5 * train, judged=5 * val)
    assert share([{"random_resized_crop": {"size": 32}}]).ahead == 5 * (train + val)


@pytest.mark.parametrize(
    ("flags", "has"),
    [("avx2 avx512f fma", False), ("amx_bf16", True), ("asimd bf16", True), (NATIVE, True),
     ("avx_ne_convert", True)],
)  # fmt: skip
def test_only_processors_with_instructions_for_bf16_try_it(flags: str, has: bool) -> None:
    assert numerics.has_bf16(flags) is has


def test_trials_time_every_phase_and_leave_no_trace(
    photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(environment, "instructions", lambda: NATIVE)
    torch.manual_seed(3)
    before, threads = torch.default_generator.get_state(), torch.get_num_threads()

    made = planned(engine.photos(photos, precision="auto"))

    assert torch.equal(before, torch.default_generator.get_state())
    assert torch.get_num_threads() == threads
    assert made.speed is not None
    kinds = [(each.precision, each.layout) for each in made.speed.trials]
    assert kinds[0] == ("fp32", "channels_last")
    assert "bf16" in {precision for precision, _ in kinds}
    assert (made.precision, made.layout) in kinds
    assert all(each.step_s > 0 and each.rest_s > 0 for each in made.speed.trials)
    assert all(each.ahead_s == 0 for each in made.speed.trials), "nothing runs ahead here"


def test_a_net_that_bf16_cannot_compute_stays_in_fp32(
    photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(environment, "instructions", lambda: NATIVE)
    forward = torch.nn.Conv2d.forward

    def no_kernel(self: torch.nn.Conv2d, images: torch.Tensor) -> torch.Tensor:
        if torch.is_autocast_enabled("cpu") and not images.is_meta:
            raise RuntimeError('"conv" not implemented for BFloat16')
        return forward(self, images)

    monkeypatch.setattr(torch.nn.Conv2d, "forward", no_kernel)
    made = planned(engine.photos(photos, precision="auto"))
    assert made.precision == "fp32"
    assert made.speed is not None
    assert made.speed.why.startswith("fp32: torch cannot compute this net in bf16")


@pytest.mark.parametrize("layout", ["auto", "contiguous"])
def test_where_no_trial_succeeds_the_plan_says_so(
    photos: Path, monkeypatch: pytest.MonkeyPatch, layout: str
) -> None:
    forward = torch.nn.Conv2d.forward

    def too_large(self: torch.nn.Conv2d, images: torch.Tensor) -> torch.Tensor:
        if not images.is_meta:
            raise RuntimeError("can't allocate memory")
        return forward(self, images)

    monkeypatch.setattr(torch.nn.Conv2d, "forward", too_large)
    made = planned(engine.photos(photos, precision="auto", layout=layout))
    assert made.precision == "fp32"
    assert made.layout == ("channels_last" if layout == "auto" else layout)
    assert made.speed is not None
    assert made.speed.why == "fp32: no trial of this net was possible"


def test_a_time_counts_once_memory_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    spent = iter([3.0, 2.0, 1.0, 0.5])
    pages = iter([0, 900, 900, 1000, 1000, 1010])

    class Usage:
        @property
        def ru_minflt(self) -> int:
            return next(pages)

    monkeypatch.setattr(tryout, "getrusage", lambda _: Usage())
    assert tryout.settled(lambda: next(spent)) == 1.0


def test_trials_are_kept_and_the_same_recipe_gives_the_same_plan(
    photos: Path, tmp_path: Path
) -> None:
    recipe = engine.photos(photos, precision="auto")
    first = planned(recipe, tmp_path)
    (kept,) = tmp_path.glob("speed-*.json")
    assert planned(recipe, tmp_path) == first

    # Whoever is slower elsewhere: what is kept decides.
    told = [trial(3.0), trial(1.0, "bf16")]
    kept.write_text(json.dumps([each.model_dump() for each in told]))
    again = planned(recipe, tmp_path)
    assert again.speed is not None
    assert (again.precision, again.speed.gain) == ("bf16", 3.0)
    assert planned(engine.photos(photos, precision="auto", seed=4), tmp_path).precision == "bf16"
    assert len(list(tmp_path.glob("speed-*.json"))) == 1

    kept.write_text("[{")
    assert planned(recipe, tmp_path).speed is not None


def test_another_processor_or_way_to_train_is_tried_anew(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    planned(engine.photos(photos, precision="auto"), tmp_path)
    planned(engine.photos(photos, precision="auto", trains=["head"]), tmp_path)
    monkeypatch.setattr(environment, "processor", lambda: "Another")
    made = planned(engine.photos(photos, precision="auto"), tmp_path)
    assert made.speed is not None
    assert made.speed.processor == "Another"
    assert len(list(tmp_path.glob("speed-*.json"))) == 3


@pytest.mark.parametrize("stated", ["fp32", "bf16", "fp16"])
def test_a_stated_precision_is_not_tried(
    photos: Path, monkeypatch: pytest.MonkeyPatch, stated: str
) -> None:
    monkeypatch.setattr(tryout, "compare", None)
    made = planned(engine.photos(photos, precision=stated))
    assert (made.precision, made.layout, made.speed) == (stated, "channels_last", None)


@pytest.mark.parametrize("stated", ["contiguous", "channels_last"])
def test_a_stated_layout_is_the_only_one_that_is_tried(photos: Path, stated: str) -> None:
    made = planned(engine.photos(photos, precision="auto", layout=stated))
    assert made.speed is not None
    assert made.layout == stated
    assert {each.layout for each in made.speed.trials} == {stated}


def test_the_verdict_is_told_with_the_plan(photos: Path, tmp_path: Path) -> None:
    recipe = engine.photos(photos, precision="auto")
    planned(recipe, tmp_path)
    (kept,) = tmp_path.glob("speed-*.json")
    kept.write_text(json.dumps([each.model_dump() for each in (trial(2.1), trial(1, "bf16"))]))
    lines = report.plan_lines(planned(recipe, tmp_path))
    assert "numbers    bf16: 2.1 times as fast here as fp32" in lines
    assert not any(line.startswith("numbers") for line in report.plan_lines(engine.planned(
        engine.photos(photos))))  # fmt: skip


@pytest.mark.parametrize(("stated", "seen"), [("auto", torch.float32), ("bf16", torch.bfloat16)])
def test_a_small_head_takes_fp32_only_where_the_recipe_leaves_it_open(
    photos: Path, tmp_path: Path, stated: str, seen: torch.dtype
) -> None:
    recipe = engine.photos(photos, precision=stated, trains=["head"])
    planned(engine.photos(photos, precision="auto", trains=["head"]), tmp_path)
    (kept,) = tmp_path.glob("speed-*.json")
    kept.write_text(json.dumps([each.model_dump() for each in (trial(2.1), trial(1, "bf16"))]))
    made = planned(recipe, tmp_path)
    training = assembly.training(recipe, made)
    found: list[torch.dtype] = []
    head = training.net.module.get_submodule(training.net.head)
    head.register_forward_hook(lambda module, inputs, output: found.append(output.dtype))

    train = sources.load(recipe.data).train
    view = TrainView(made.preprocess.steps, recipe.data.augment, recipe.train.seed)
    batches = Stream(train, view, 0).run(agenda.training(recipe, made, train.labels))
    next(loop.train(training, batches, first_step=0))

    assert (made.precision, made.is_light) == ("bf16", True)
    assert found == [seen]


def test_a_gpu_computes_in_bf16_without_trials(
    photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tryout, "compare", None)
    draft = Draft(recipe=engine.photos(photos, precision="auto"), references={})
    made = numerics.choose(draft, device="cuda", chunk=16, cache=None)
    assert (made.precision, made.layout) == ("bf16", "channels_last")
    assert made.speed is not None
    assert made.speed.why == "bf16, as on every GPU"
