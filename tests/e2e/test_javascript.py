"""A client that is not ours: @grpc/grpc-js over the committed .proto files, on socket and door."""

import asyncio
import contextlib
import hashlib
import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from ftctl import JobFile
from tests.e2e.recipes import digits
from tests.e2e.serving import Serving, serving

pytestmark = pytest.mark.asyncio(loop_scope="module")

CHECKOUT = Path(__file__).resolve().parent.parent.parent
SCRIPT = CHECKOUT / "tests/js/drive.js"
SERVICES = {
    "finetuned.v1.JobService", "finetuned.v1.RecipeService", "finetuned.v1.DeviceService",
    "grpc.health.v1.Health", "grpc.reflection.v1alpha.ServerReflection",
}  # fmt: skip


@pytest.fixture(scope="session")
def modules(pytestconfig: pytest.Config) -> Path:
    """Return a folder with what tests/js/package.json asks for: installed once, kept for later."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        pytest.skip("node and npm are not installed")
    package = SCRIPT.with_name("package.json").read_bytes()
    folder = pytestconfig.cache.mkdir(f"js-{hashlib.sha256(package).hexdigest()[:12]}")
    complete = folder / "complete"
    if not complete.exists():
        (folder / "package.json").write_bytes(package)
        install = subprocess.run(
            ["npm", "install", "--no-package-lock", "--ignore-scripts", "--no-audit", "--no-fund"],
            cwd=folder, capture_output=True, text=True, check=False,
        )  # fmt: skip
        if install.returncode:
            pytest.skip(f"npm could not install {SCRIPT.parent}: {install.stderr[-300:]}")
        complete.touch()
    return folder


@pytest.fixture(scope="module")
def identity(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Return a certificate of localhost and its key."""
    folder = tmp_path_factory.mktemp("tls")
    certificate, key = folder / "cert.pem", folder / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
         "-nodes", "-keyout", key, "-out", certificate, "-days", "1", "-subj", "/CN=localhost",
         "-addext", "subjectAltName=DNS:localhost"],
        check=True, capture_output=True,
    )  # fmt: skip
    return certificate, key


@pytest.fixture(scope="module")
def address() -> str:
    """Return where a daemon may listen to other machines."""
    with contextlib.closing(socket.create_server(("localhost", 0))) as probe:
        return f"localhost:{probe.getsockname()[1]}"


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def daemon(
    tmp_path_factory: pytest.TempPathFactory, identity: tuple[Path, Path], address: str
) -> AsyncIterator[Serving]:
    """A running daemon with a door."""
    state, (certificate, key) = tmp_path_factory.mktemp("door") / "state", identity
    async with serving(state, listen=address, tls_cert=str(certificate), tls_key=str(key)) as own:
        yield own


async def drive(modules: Path, folder: Path, **request: Any) -> dict[str, Any]:
    """Have the other client do its round of a daemon; return what it was answered."""
    whole = {
        "modules": str(modules), "protos": str(CHECKOUT / "proto"), "ca": "", "token": "", **request
    }  # fmt: skip
    file = folder / "request.json"
    await asyncio.to_thread(file.write_text, json.dumps(whole))
    process = await asyncio.create_subprocess_exec(
        "node", str(SCRIPT), str(file),
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, err = await process.communicate()
    assert (process.returncode, err.decode()) == (0, "")
    answers: dict[str, Any] = json.loads(out)
    return answers


def spec(name: str, *, epochs: int) -> Mapping[str, str]:
    """Return a job as the API takes it."""
    job = JobFile.of(digits(name, epochs=epochs))
    return {"name": name, "recipe_json": job.request.recipe_json}


async def check(daemon: Serving, answers: dict[str, Any], *, user: str) -> None:
    """Compare what the other client was told with what ours is."""
    assert answers["health"] == {"status": "SERVING"}
    assert set(answers["reflection"]["services"]) >= SERVICES
    assert answers["reflection"]["files"] >= 1

    told, job = answers["trained"], await daemon.client.get(answers["trained"]["id"])
    events = [event async for event in daemon.client.watch(job.id)]
    assert told["is_idempotent"]
    assert told["sequences"] == [event.sequence for event in events]
    assert told["losses"] == [epoch.train and epoch.train.loss for epoch in job.epochs]
    assert told["states"] == [
        f"JOB_STATE_{state}" for state in ("QUEUED", "STARTING", "RUNNING", "SUCCEEDED")
    ]
    assert {"planned", "epoch", "checkpoint_saved", "artifact"} < set(told["kinds"])
    assert (told["reason"], told["user"], job.user) == ("OUTCOME_REASON_COMPLETED", user, user)

    ended = await daemon.client.get(answers["cancelled"]["id"])
    assert answers["cancelled"]["states"][-2:] == ["JOB_STATE_CANCELLING", "JOB_STATE_CANCELLED"]
    assert ended.state.name == "CANCELLED"
    assert answers["unknown"]["code"] == "NOT_FOUND"
    assert answers["unknown"]["details"].startswith("no job has the name or id `no-such-job`; ")


async def test_a_javascript_client_drives_the_daemon_over_its_socket(
    daemon: Serving, modules: Path, tmp_path: Path
) -> None:
    answers = await drive(
        modules, tmp_path, target=f"unix:{daemon.socket}",
        spec=spec("js-socket", epochs=2), endless=spec("js-endless", epochs=100_000),
    )  # fmt: skip

    await check(daemon, answers, user=(await daemon.client.get("js-socket")).user)
    assert answers["stranger"] is None


async def test_a_javascript_client_drives_the_daemon_over_tls(
    daemon: Serving, modules: Path, tmp_path: Path, identity: tuple[Path, Path], address: str
) -> None:
    answers = await drive(
        modules, tmp_path, target=address, ca=str(identity[0]), token=await token(daemon, "alice"),
        spec=spec("js-door", epochs=2), endless=spec("js-door-endless", epochs=100_000),
    )  # fmt: skip

    await check(daemon, answers, user="alice")
    assert answers["stranger"]["code"] == "UNAUTHENTICATED"


async def token(daemon: Serving, user: str) -> str:
    """Make a token as the daemon's owner does."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "ftd", "token", "create", "laptop", "--user", user,
        env={**os.environ, "FTD_STATE": str(daemon.state)}, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, _ = await process.communicate()
    assert process.returncode == 0
    return out.decode().strip()
