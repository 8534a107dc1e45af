"""Every word of a recipe is proven by a test, and no test proves a word that is none."""

import subprocess
import sys
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]


def test_every_word_of_the_schema_has_a_test_against_an_oracle() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.house.words"],
        cwd=CHECKOUT, capture_output=True, text=True, check=False,
    )  # fmt: skip

    print(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr
    counts = done.stdout.splitlines()[0]
    words, proven = (int(part) for part in counts.replace(",", ":").split(":")[1::2])
    assert words == proven > 300
