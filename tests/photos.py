"""Small photo folders that a net can learn: coloured shapes on noisy ground, as JPEG."""

import random
from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw

_COLOURS = ("#d33", "#36c", "#2a2", "#e90", "#a3c", "#088")


def make_photo_folder(
    root: Path,
    classes: Sequence[str] = ("circles", "squares"),
    per_class: int = 4,
    size: tuple[int, int] = (48, 36),
    *,
    val_per_class: int | None = None,
) -> Path:
    """Make `root/train/CLASS/*.jpg` and `root/val/CLASS/*.jpg`; return the root.

    Class i is a shape of its own in a colour of its own. The same arguments give the same
    pixels. `val_per_class`: as many as to train on, where it is not said.
    """
    counts = {"train": per_class, "val": per_class if val_per_class is None else val_per_class}
    for split, count in counts.items():
        for label, name in enumerate(classes):
            folder = root / split / name
            folder.mkdir(parents=True)
            for number in range(count):
                image = photo(label, size, seed=f"{split} {number}")
                image.save(folder / f"{number:03d}.jpg", quality=90)
    return root


def photo(label: int, size: tuple[int, int], *, seed: str) -> Image.Image:
    """Draw one image of a class."""
    chance = random.Random(f"{label} {seed}")
    width, height = size
    noise = Image.frombytes("L", size, chance.randbytes(width * height)).convert("RGB")
    ground = Image.new("RGB", size, (chance.randrange(90, 200),) * 3)
    image = Image.blend(noise, ground, 0.7)
    radius = min(size) * chance.uniform(0.2, 0.35)
    x, y = chance.uniform(radius, width - radius), chance.uniform(radius, height - radius)
    box = (x - radius, y - radius, x + radius, y + radius)
    draw, colour = ImageDraw.Draw(image), _COLOURS[label % len(_COLOURS)]
    if label % 2 == 0:
        draw.ellipse(box, fill=colour)
    else:
        draw.rectangle(box, fill=colour)
    return image


def damage_within(path: Path) -> None:
    """Put a PNG in an image's place whose beginning and end are sound, and whose middle is not."""
    photo(0, (48, 36), seed="damaged").save(path, format="PNG")
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 64] = bytes(64)
    path.write_bytes(content)
