"""A zygote whose comparers are no processes: they find what the titles of the nets say."""

import asyncio
import json
import signal
from pathlib import Path
from typing import Any

LAYERS = [
    {
        "name": "conv1", "type": "Conv2d", "parameters": 9, "bias_cosine": None,
        "weight_cosine": 0.5, "relative_l2": 1.0, "cka": 0.75,
    },
]  # fmt: skip


class Likener:
    """Refuses nets of a job `other` and `gone`; breaks off at `crash`, and never ends at `hang`."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.under_way: list[Likening] = []

    async def compare(self, folder: Path) -> "Likening":
        request = json.loads((folder / "request.json").read_text())
        self.asked.append(request)
        name = request["second"]["title"].partition("/")[0]
        faults = {
            "other": ("other", "ants/best is resnet18, other/best is vgg11: layers are compared"),
            "gone": ("model", "No such file"),
        }
        if name in faults:
            kind, why = faults[name]
            (folder / "fault.json").write_text(json.dumps({"kind": kind, "why": why}))
        elif name not in ("crash", "hang"):
            _answer(folder, request)
        made = Likening(hangs=name == "hang")
        self.under_way.append(made)
        return made


def _answer(folder: Path, request: dict[str, Any]) -> None:
    sides = {
        name: {"title": request[name]["title"], "epoch": 2} for name in ("first", "second")
    }  # fmt: skip
    body = {
        **sides, "architecture": "resnet18", "images": request["images"], "layers": LAYERS,
        "only_first": ["fc.1"], "only_second": [], "notices": ["fc has other shapes"],
    }  # fmt: skip
    (folder / "result.json").write_text(json.dumps(body))
    if request["picture"]:
        (folder / "picture.png").write_bytes(b"\x89PNG")


class Likening:
    """A comparer."""

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
