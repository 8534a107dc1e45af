"""docs/gallery: eight strategies of S3 on CIFAR-10, beside one another by `ftctl compare`."""

import asyncio
import os
import sys
from pathlib import Path

from benchmarks.table import CHECKOUT

FOLDER = CHECKOUT / "docs/gallery"
JOBS = tuple(
    f"cifar10-{strategy}"
    for strategy in (
        "whole-layer", "separate-lr-as-run", "separate-lr-as-meant", "last-3", "feature-extractor",
        "bias-and-head", "norm-and-last", "scratch",
    )
)  # fmt: skip
HEAD = """\
# Eight strategies, compared

Eight jobs of [the gallery](../../examples/README.md), all on the same images of CIFAR-10, as

```text
ftctl compare {jobs}
```

shows them; written by `python -m benchmarks.gallery --compare` with `-o markdown` and `--plot`.
[compared.txt](compared.txt) is what a terminal of 80 columns shows.

![Loss and accuracy of eight jobs over the epochs](compared.png)

"""
TAIL = """
*Separate rates as the report ran them* differ from fine-tuning of the whole layer in more than the
rates: the weight decay went, too. What comes of it cannot be laid to the rates, which is what the
report did; *as it meant them*, with the decay of both, is the run that can tell.
"""


async def write(socket: Path) -> None:
    """Compare, and write the page, the text and the picture."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    text = await _compared(socket)
    (FOLDER / "compared.txt").write_text(text)
    picture = FOLDER / "compared.png"
    told = await _compared(socket, "-o", "markdown", "--plot", str(picture), "--force")
    (FOLDER / "README.md").write_text(HEAD.format(jobs=" ".join(JOBS)) + told + TAIL)


async def _compared(socket: Path, *options: str) -> str:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "ftctl", "compare", *JOBS, "--socket", str(socket), *options),
        env={**os.environ, "NO_COLOR": "1"},
        stdout=asyncio.subprocess.PIPE,
    )
    out, _ = await process.communicate()
    if process.returncode:
        raise SystemExit(process.returncode)
    return out.decode()
