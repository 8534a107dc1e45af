"""The image: its steps run, in order, where nothing but Debian was before."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deploy import rootfs

CHECKOUT = Path(__file__).resolve().parent.parent.parent
DOCKERFILE = CHECKOUT / "deploy/docker/Dockerfile"


@pytest.fixture
def image(tmp_path: Path) -> Iterator[rootfs.Image]:
    """Return what the Dockerfile is FROM, or skip with the reason."""
    missing = [tool for tool in rootfs.NEEDED if shutil.which(tool) is None]
    if missing:
        pytest.skip(f"an image is made by {', '.join(missing)}: apt-get install debootstrap")
    if os.geteuid() != 0:
        pytest.skip("a root file system is made by root alone")
    root = tmp_path / "root"
    yield rootfs.new_image(DOCKERFILE, context=CHECKOUT, root=root)
    shutil.rmtree(root)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_its_steps_run_in_a_fresh_debian_and_the_daemon_is_there(image: rootfs.Image) -> None:
    for step in rootfs.steps(DOCKERFILE):
        image.take(step)

    assert image.user == "finetuned"
    assert image.run("id --user --name").strip() == "finetuned"
    assert image.run("ftd --version").startswith("ftd 0.")
    checked = image.run("ftd check-config")
    assert "/var/lib/finetuned  (FTD_STATE)" in checked
    assert image.run("python -c 'import torch; print(torch.ones(2).sum().item())'") == "2.0\n"
    assert "built-in" in image.run("tini --version && echo built-in")
