"""Every Python snippet of docs/sdk.md runs, against a fake daemon. For others see test_pages.py."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from ftctl.testing import FakeDaemon
from tests.fakes import doors
from tests.photos import make_photo_folder

CHECKOUT = Path(__file__).resolve().parent.parent.parent
SERVER = "lab.example:7443"
PAGES = ("docs/sdk.md",)
JOB = """\
data: {digits: {}}
model: {cnn: {}}
train: {epochs: 2, batch_size: 64, optimizer: {sgd: {lr: 0.1}}}
"""


def snippets(page: str) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```", (CHECKOUT / page).read_text(), re.M | re.S)


ALL = [(f"{page}:{number}", code) for page in PAGES for number, code in enumerate(snippets(page))]


def run(code: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        cwd=folder, env={**os.environ, **environment}, capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.fixture(scope="module")
def daemon():
    with FakeDaemon() as fake:
        yield fake


@pytest.fixture(scope="module")
def server(daemon, tmp_path_factory):
    """The same daemon by TLS; its address, and the certificate to trust."""
    pair = doors.certificate(tmp_path_factory.mktemp("tls"))
    with doors.fronting(daemon.socket, pair) as port:
        yield f"localhost:{port}", pair[0]


@pytest.fixture
def folder(tmp_path, server):
    """Where a reader of the page stands: beside a job file and photos of their own."""
    make_photo_folder(tmp_path / "photos", ("cats", "dogs"), per_class=2)
    (tmp_path / "job.yaml").write_text(JOB)
    (tmp_path / "ca.pem").symlink_to(server[1])
    return tmp_path


@pytest.mark.parametrize("code", [code for _, code in ALL], ids=[name for name, _ in ALL])
def test_a_snippet_runs(daemon, server, folder, code):
    # The one word that is not run as it stands: no test can listen on a machine of that name.
    code = code.replace(SERVER, server[0])
    done = run(code, folder, FTCTL_SOCKET=str(daemon.socket), FTCTL_TOKEN="secret")

    assert (done.returncode, done.stderr) == (0, "")


def test_every_fenced_python_block_is_among_them(capsys):
    fences = sum((CHECKOUT / page).read_text().count("```python") for page in PAGES)

    with capsys.disabled():
        sys.stdout.write(json.dumps({"snippets run": len(ALL), "skipped": fences - len(ALL)}))

    assert len(ALL) == fences >= 8


def test_a_snippet_that_is_wrong_is_seen(daemon, folder):
    done = run(
        "import ftctl; ftctl.Client().get('nothing')", folder, FTCTL_SOCKET=str(daemon.socket)
    )

    assert done.returncode == 1
    assert "JobNotFound" in done.stderr
