"""A zygote whose evaluators are no processes: they find what the name of the images says."""

import asyncio
import json
import signal
from pathlib import Path

SCORE = {
    "loss": 0.25, "accuracy": 0.75, "correct": 3, "count": 4, "accuracy_low": 0.3,
    "accuracy_high": 0.95, "balanced_accuracy": 0.75, "top5_accuracy": None,
    "calibration_error": 0.1,
}  # fmt: skip
CLASSES = [
    {"label": "ants", "count": 2, "predicted": 3, "correct": 2},
    {"label": "bees", "count": 2, "predicted": 1, "correct": 1},
]


class Assessor:
    """Refuses images named `bad` and `tested`; breaks off at `crash`, and never ends at `hang`."""

    def __init__(self) -> None:
        self.asked: list[dict[str, object]] = []
        self.under_way: list[Assessment] = []

    async def evaluate(self, folder: Path) -> "Assessment":
        request = json.loads((folder / "request.json").read_text())
        self.asked.append(request)
        images = request["images"]
        name = Path(images["path"]).name if isinstance(images, dict) else images
        faults = {
            "bad": ("data", "bad has class `x`, which the model does not know"),
            "tested": ("locked", "4 of the 4 images of tested are test images of ants"),
            "gone": ("model", "No such file"),
        }
        (folder / "progress.json").write_text(json.dumps({"done": 4, "images": 4}))
        if name in faults:
            kind, why = faults[name]
            (folder / "fault.json").write_text(json.dumps({"kind": kind, "why": why}))
        elif name not in ("crash", "hang"):
            self._answer(folder, request, name)
        made = Assessment(hangs=name == "hang")
        self.under_way.append(made)
        return made

    def _answer(self, folder: Path, request: dict[str, object], name: str) -> None:
        body = {
            "images": name, "epoch": 2, "score": SCORE, "classes": CLASSES,
            "left_out": {"a.jpg": "is cut short"}, "notices": ["no image of class `wasps`"],
        }  # fmt: skip
        (folder / "result.json").write_text(json.dumps(body))
        (folder / "verdicts.csv").write_bytes(b"v" * 300_000)
        if request["confusion"]:
            (folder / "confusion.png").write_bytes(b"\x89PNG")


class Assessment:
    """An evaluator."""

    is_orphan = False

    def __init__(self, *, hangs: bool) -> None:
        self._hangs = hangs
        self.signals: list[signal.Signals] = []

    async def wait(self) -> None:
        if self._hangs:
            await asyncio.Event().wait()

    def send(self, number: signal.Signals) -> None:
        self.signals.append(number)

    def close(self) -> None:
        return
