"""A real Prometheus for a test, with the committed configuration made faster."""

import asyncio
import contextlib
import json
import math
import shutil
import socket
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from tests.observe.expressions import PROMETHEUS
from tests.wait import wait_until

_ANSWER_S = 10.0


def tool(name: str) -> str:
    """Return where one of Prometheus's programs is, or skip with the reason."""
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"no {name} here: apt-get install prometheus")
    return found


def free_port() -> int:
    """Return a port of the loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass(frozen=True, slots=True, kw_only=True)
class Prometheus:
    """A Prometheus that answers."""

    url: str

    def values(self, expr: str) -> list[float]:
        """Return the values of an expression now, those left out that are no numbers."""
        found = self.ask("query", query=expr)["result"]
        numbers = [float(sample["value"][1]) for sample in found]
        return [number for number in numbers if not math.isnan(number)]

    def labels(self, expr: str) -> list[dict[str, str]]:
        """Return the labels of an expression's series now."""
        return [sample["metric"] for sample in self.ask("query", query=expr)["result"]]

    def ask(self, what: str, **parameters: str) -> Any:
        """Ask the API.

        Raises:
            AssertionError: with what Prometheus says of a wrong expression.
        """
        query = urllib.parse.urlencode(parameters)
        try:
            with urllib.request.urlopen(
                f"{self.url}/api/v1/{what}?{query}", timeout=_ANSWER_S
            ) as r:
                return json.load(r)["data"]
        except urllib.error.HTTPError as error:
            with error:
                raise AssertionError(f"{parameters}: {error.read().decode()}") from error


@contextlib.asynccontextmanager
async def prometheus(folder: Path, targets: Sequence[str]) -> AsyncIterator[Prometheus]:
    """Run a Prometheus that scrapes the targets each second, by the committed rules."""
    port = free_port()
    with (folder / "prometheus.log").open("wb") as out:
        process = await asyncio.create_subprocess_exec(
            tool("prometheus"),
            *("--config.file", str(_quickened(folder, targets))),
            *("--storage.tsdb.path", str(folder / "tsdb")),
            *("--web.listen-address", f"127.0.0.1:{port}"),
            stdout=out, stderr=out,
        )  # fmt: skip
    try:
        await wait_until(lambda: process.returncode is not None or _is_ready(port))
        assert process.returncode is None, (folder / "prometheus.log").read_text()
        yield Prometheus(url=f"http://127.0.0.1:{port}")
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await process.wait()


def _quickened(folder: Path, targets: Sequence[str]) -> Path:
    """Write the committed configuration with other targets and a second for ten."""
    yaml = YAML(typ="safe")
    config = yaml.load(PROMETHEUS / "prometheus.yml")
    config["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    config["rule_files"] = [str(PROMETHEUS / name) for name in config["rule_files"]]
    config["scrape_configs"][0]["static_configs"] = [{"targets": list(targets)}]
    path = folder / "prometheus.yml"
    yaml.dump(config, path)
    return path


def _is_ready(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/-/ready", timeout=_ANSWER_S):
            return True
    except OSError:
        return False
