"""Plans as tests of the daemon need them: whole, and short to write."""

from typing import Any

from fttrain.spec.images import Preprocess
from fttrain.spec.plan import DataCard, Environment, Plan, PreprocessCard, Split, WeightsCard

_PREPROCESS: dict[str, Any] = {"resize": 36, "crop": 32, "mean": [0.5] * 3, "std": [0.25] * 3}


def make_plan(**changes: Any) -> Plan:
    """Return a plan of two classes and a net without BatchNorm."""
    facts: dict[str, Any] = {
        "recipe_digest": "ab" * 32, "device": "cpu", "threads": 1, "layout": "contiguous",
        "precision": "fp32", "loader_workers": 0, "chunk": 16, "prefix": [], "batch_size": 8,
        "accumulate": 1, "steps_per_epoch": 2, "steps": 2, "epochs": 1, "groups": [],
        "parameters": 10, "parameters_trained": 10, "activation_bytes": 100,
        "batch_norm_eval": 0, "batch_norm_train": 0,
    }  # fmt: skip
    return Plan(
        environment=Environment(
            torch="2.15", torchvision="0.29", python="3.11", cpu_capability="AVX2"
        ),
        data=DataCard(
            source="digits", classes=["0", "1"], train=Split(images=16, per_class=[8, 8]),
            val=Split(images=4, per_class=[2, 2]), channels=1, left_out=[], fingerprint="cd" * 32,
        ),
        preprocess=PreprocessCard(steps=Preprocess(**_PREPROCESS), origin="recipe"),
        weights=WeightsCard(source="none"),
        **{**facts, **changes},
    )  # fmt: skip
