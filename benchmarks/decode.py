"""How long a photo takes to become pixels, by each way of decoding that was thought of.

Run as `python -m benchmarks.decode`: two minutes on one core, no writing. Photos are those of the
test material, and the same ones enlarged to 12 megapixels. simplejpeg is measured where it is
installed; docs/recipes.md says why it is no option.
"""

import importlib.util
import io
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from PIL import Image

from benchmarks.table import CHECKOUT, Row, finish, machine
from fttrain.data import decode
from fttrain.data.decode import Decoding

TITLE = "From file to pixels and to 256 pixels, median of one photo in ms"
SETS = {"flowers5": "flowers5", "stanford_cars_10class": "cars", "hymenoptera_data": "ants, bees"}
LARGE = (4000, 3000)
RUNS = 5
Way = Callable[[Path], Image.Image]


def measure() -> list[Row]:
    """Time all ways on all sets."""
    shared = Path(os.environ.get("FINETUNED_TEST_DATA", CHECKOUT.parent / "shared"))
    rows = []
    with TemporaryDirectory() as folder:
        for name, title in SETS.items():
            archive = shared / "data" / f"{name}.tar"
            subprocess.run(["tar", "-xf", archive, "-C", folder], check=True)
            photos = sorted((Path(folder) / name).rglob("*.jpg"))
            rows += _rows(title, photos[:: max(len(photos) // 80, 1)])
        rows += _rows("12 megapixels", _enlarged(photos[:8], Path(folder)))
    return rows


def ways() -> dict[str, Way]:
    """Return the ways by name."""
    found: dict[str, Way] = {
        "Pillow": decode.picture,
        "decode_min_side: 256": lambda path: decode.picture(path, Decoding(min_side=256)),
        "decode_min_side: 512": lambda path: decode.picture(path, Decoding(min_side=512)),
    }
    if importlib.util.find_spec("simplejpeg") is not None:
        import simplejpeg

        found["simplejpeg"] = lambda path: Image.fromarray(
            simplejpeg.decode_jpeg(path.read_bytes())
        )
    return found


def _rows(title: str, photos: Sequence[Path]) -> list[Row]:
    plain = [np.asarray(_small(decode.picture(path)), np.int16) for path in photos]
    rows = []
    for name, way in ways().items():
        alone = min(_time(lambda path, way=way: way(path), photos) for _ in range(RUNS))  # type: ignore[misc]
        small = min(_time(lambda path, way=way: _small(way(path)), photos) for _ in range(RUNS))  # type: ignore[misc]
        apart = [
            float(np.abs(np.asarray(_small(way(path)), np.int16) - before).mean())
            for path, before in zip(photos, plain, strict=True)
        ]
        value = f"{alone:.2f}, {small:.2f}; pixels apart {np.mean(apart):.2f} of 255"
        rows.append(Row(what=f"{title}, {name}", value=value))
    return rows


def _time(way: Callable[[Path], object], photos: Sequence[Path]) -> float:
    """Return the milliseconds of one photo."""
    spent = []
    for path in photos:
        begun = time.perf_counter()
        way(path)
        spent.append(time.perf_counter() - begun)
    return float(np.median(spent)) * 1000


def _small(image: Image.Image) -> Image.Image:
    part = 256 / min(image.size)
    size = round(image.width * part), round(image.height * part)
    return image.resize(size, Image.Resampling.BILINEAR)


def _enlarged(photos: Sequence[Path], folder: Path) -> list[Path]:
    made = []
    for number, path in enumerate(photos):
        content = io.BytesIO()
        image = decode.picture(path).resize(LARGE, Image.Resampling.BICUBIC)
        image.save(content, "JPEG", quality=92)
        made.append(folder / f"{number}.jpg")
        made[-1].write_bytes(content.getvalue())
    return made


if __name__ == "__main__":
    print(machine())
    sys.exit(finish(TITLE, measure()))
