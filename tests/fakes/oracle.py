"""A zygote whose predictors are no processes: they answer with what stands in the images."""

import asyncio
import json
import signal
from pathlib import Path


class Oracle:
    """Says of each image that it shows the text in its file.

    One that holds `bad` cannot be read; one that holds `hang` is pondered until somebody ends it.
    """

    def __init__(self) -> None:
        self.batches: list[int] = []
        """How many images each predictor was given."""
        self.hanging = asyncio.Event()
        self.ended: list[Path] = []
        """The folders of predictors that were ended while they pondered."""

    async def predict(self, folder: Path) -> "Pondering":
        request = json.loads((folder / "request.json").read_text())
        self.batches.append(len(request["images"]))
        with (folder / "answers.jsonl").open("w") as answers:
            for position, name in enumerate(request["images"]):
                text = (folder / name).read_text()
                if text == "hang":
                    self.hanging.set()
                    return Pondering(self, folder)
                if text == "bad":
                    fault = {"image": position, "why": "is damaged: cut off; replace or remove it"}
                    (folder / "fault.json").write_text(json.dumps(fault))
                    break
                told = {"label": text, "probability": 0.75, "top": [[text, 0.75], ["bees", 0.25]]}
                answers.write(f"{json.dumps(told)}\n")
        return Pondering(self, folder, is_done=True)


class Pondering:
    """A predictor: one that is done, or one that never will be."""

    is_orphan = False

    def __init__(self, oracle: Oracle, folder: Path, *, is_done: bool = False) -> None:
        self._oracle, self._folder = oracle, folder
        self._ended = asyncio.Event()
        if is_done:
            self._ended.set()

    async def wait(self) -> None:
        await self._ended.wait()

    def send(self, number: signal.Signals) -> None:
        if not self._ended.is_set():
            self._oracle.ended.append(self._folder)
            self._ended.set()

    def close(self) -> None:
        assert self._ended.is_set()
