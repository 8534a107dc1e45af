"""The README's job on real photos: the same accuracy from the daemon, from predict, from torch."""

import asyncio
import json
import sys
from pathlib import Path

import pytest

from ftctl import JobState
from tests.e2e.serving import Serving

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.slow]

EXAMPLE = Path(__file__).parents[2] / "examples/ants-bees/frozen.yaml"
GOAL = 0.94

# What a user writes who has torch and this file, and nothing of ours.
PLAIN_TORCH = """
import json, sys, torch, torchvision
from safetensors import safe_open
from torchvision.transforms import v2
with safe_open(sys.argv[1], "pt") as file:
    card = {k: json.loads(text) for k, text in file.metadata().items() if k != "format"}
    state = {name: file.get_tensor(name) for name in file.keys()}
net = torchvision.models.mobilenet_v2(num_classes=len(card["classes"]))
net.load_state_dict(state); net.eval()
see = card["preprocess"]
view = v2.Compose([v2.Resize(see["resize"]), v2.CenterCrop(see["crop"]), v2.ToImage(),
                   v2.ToDtype(torch.float32, scale=True), v2.Normalize(see["mean"], see["std"])])
photos = torchvision.datasets.ImageFolder(sys.argv[2], view)
with torch.inference_mode():
    print(sum(int(net(image[None]).argmax()) == label for image, label in photos))
"""


async def test_a_frozen_net_on_ants_and_bees_is_right_by_every_account(
    daemon: Serving, hymenoptera: Path, shared: Path
) -> None:
    weights = shared / "weights/mobilenet_v2-b0353104.pth"

    code, _, err = await daemon.ftctl(
        "submit", EXAMPLE, "--watch",
        "--set", f"data.folder.path={hymenoptera}", "--set", f"model.weights=file:{weights}",
    )  # fmt: skip

    assert (code, err) == (0, "")
    code, out, _ = await daemon.ftctl("get", "ants-bees-frozen", "-o", "json")
    job = json.loads(out)
    best = max(job["epochs"], key=lambda epoch: epoch["val"]["accuracy"])["val"]
    assert job["state"] == JobState.SUCCEEDED
    assert best["count"] == 153
    assert best["accuracy"] >= GOAL
    data = job["plan"]["data"]
    assert (data["train"]["images"], data["left_out"]) == (244, ["train/ants/imageNotFound.gif"])
    assert data["train"]["per_class"] == [123, 121]
    photos = sorted((hymenoptera / "val").rglob("*.jpg"))
    predicted = await _run("-m", "fttrain", "predict", job["run_dir"], *photos, "--json")
    labels = [json.loads(line)["label"] for line in predicted.splitlines()]
    right = sum(label == photo.parent.name for label, photo in zip(labels, photos, strict=True))
    assert right == best["correct"]
    model = next(each["path"] for each in job["artifacts"] if each["kind"] == "model")
    plain = await _run("-c", PLAIN_TORCH, model, hymenoptera / "val")
    assert int(plain) == best["correct"]


async def _run(*arguments: str | Path) -> str:
    process = await asyncio.create_subprocess_exec(
        sys.executable, *map(str, arguments), stdout=asyncio.subprocess.PIPE
    )
    out, _ = await process.communicate()
    assert process.returncode == 0
    return out.decode()
