"""The compose file and the Dockerfile say the same, and nothing is open that need not be."""

import asyncio
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from ftd.__main__ import main
from tests.deploy import rootfs
from tests.fakes.listening import Line, listening

CHECKOUT = Path(__file__).resolve().parent.parent.parent
FOLDER = CHECKOUT / "deploy/docker"
STEPS = rootfs.steps(FOLDER / "Dockerfile")


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    """Return the services of the compose file."""
    found: dict[str, Any] = YAML(typ="safe").load(FOLDER / "compose.yaml")["services"]
    return found


def described(word: str) -> list[str]:
    """Return the last instruction of a kind, its text as it is."""
    return [step.text for step in STEPS if step.word == word][-1:]


def test_the_image_runs_as_nobody_of_note_beneath_an_init() -> None:
    assert described("USER") == ["finetuned"]
    assert json.loads(described("ENTRYPOINT")[0]) == ["tini", "--", "ftd"]
    assert json.loads(described("CMD")[0]) == ["serve"]


def test_the_last_step_checks_the_configuration() -> None:
    assert described("RUN") == ["ftd check-config"]


def test_the_image_takes_from_the_checkout_what_the_package_is_made_of() -> None:
    copied = {source for step in STEPS if step.word == "COPY" for source in step.text.split()[:-1]}
    allowed = {
        line[1:]
        for line in (FOLDER / "Dockerfile.dockerignore").read_text().splitlines()
        if line.startswith("!")
    }

    assert copied == allowed
    assert [source for source in copied if not (CHECKOUT / source).exists()] == []


async def test_the_health_check_asks_a_daemon_that_answers(tmp_path: Path) -> None:
    words = json.loads(described("HEALTHCHECK")[0].partition("CMD ")[2])

    async with listening(tmp_path) as line:
        assert await exit_code(words, line) == 0
        await line.listener.stop()
        assert await exit_code(words, line) != 0


async def exit_code(words: list[str], line: Line) -> int:
    """Run the health check's command against a socket."""
    assert words[0] == "ftctl"
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", *words,
        env={"FTCTL_SOCKET": str(line.socket)},
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    return await process.wait()


def test_nothing_is_published_beyond_this_machine(services: dict[str, Any]) -> None:
    ports = [port for service in services.values() for port in service.get("ports", [])]

    assert ports == ["127.0.0.1:3000:3000"]


def test_prometheus_reads_the_loopback_of_the_daemon(
    services: dict[str, Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _, flag, address = services["ftd"]["command"]
    monkeypatch.setenv("FTD_METRICS", address)
    monkeypatch.setenv("XDG_CONFIG_HOME", "/nowhere")

    assert flag == "--metrics"
    assert main(["check-config"]) == 0
    assert f"{address}  (FTD_METRICS)" in capsys.readouterr().out
    assert services["prometheus"]["network_mode"] == "service:ftd"
    assert services["ftd"]["networks"]["default"]["aliases"] == ["prometheus"]


def test_the_versions_are_named(services: dict[str, Any]) -> None:
    assert services["grafana"]["image"] == "grafana/grafana:11.6.0"
    assert services["prometheus"]["image"].partition(":")[2]


def test_what_the_daemon_keeps_is_on_volumes(services: dict[str, Any]) -> None:
    targets = [volume.split(":")[1] for volume in services["ftd"]["volumes"][:2]]
    environment = dict(
        pair.split("=", 1) for step in STEPS if step.word == "ENV" for pair in step.text.split()
    )

    assert targets == [environment["FTD_STATE"], environment["XDG_CACHE_HOME"]]
    assert environment["FTD_SOCKET"] == environment["FTCTL_SOCKET"]
