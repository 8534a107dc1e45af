"""The endpoint over real HTTP: two formats, gzip, the loopback alone, nothing that hangs."""

import asyncio
import contextlib
import gzip
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from prometheus_client.openmetrics.parser import (
    text_string_to_metric_families as openmetrics_families,
)
from prometheus_client.parser import text_string_to_metric_families

from ftd.errors import BadConfig
from ftd.metrics import endpoint, service
from ftd.metrics.catalogue import METRICS
from ftd.metrics.endpoint import Address
from ftd.metrics.service import Settings
from ftd.metrics.snapshot import Place
from tests.fakes import metrics
from tests.fakes.jobs import at

OPENMETRICS = "application/openmetrics-text; version=1.0.0"


class Answer:
    """What came back."""

    def __init__(self, data: bytes) -> None:
        head, _, self.body = data.partition(b"\r\n\r\n")
        line, *fields = head.decode().split("\r\n")
        self.status = int(line.split(" ")[1])
        self.headers = dict(field.split(": ", 1) for field in fields)


async def send(where: Address, data: bytes) -> Answer:
    reader, writer = await asyncio.open_connection(where.host, where.port)
    writer.write(data)
    answer = Answer(await reader.read())
    writer.close()
    return answer


async def get(where: Address, path: str = "/metrics", **headers: str) -> Answer:
    fields = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    return await send(where, f"GET {path} HTTP/1.1\r\nHost: {where}\r\n{fields}\r\n".encode())


@contextlib.asynccontextmanager
async def opened(folder: Path, listen: str | None) -> AsyncIterator[Address | None]:
    tally, sources = metrics.busy(folder)
    settings = Settings(listen=listen, mapping_dir=None)
    place = Place(state_dir=folder, database=folder / "ftd.sqlite")
    async with service.working(settings, place, tally, sources, lambda: at(10)) as where:
        yield where


@pytest.fixture
async def where(tmp_path: Path) -> AsyncIterator[Address]:
    async with opened(tmp_path, "127.0.0.1:0") as address:
        assert address is not None
        yield address


# --- what is answered -------------------------------------------------------------------------


async def test_prometheus_reads_text(where: Address) -> None:
    answer = await get(where)

    assert answer.status == 200
    assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    families = list(text_string_to_metric_families(answer.body.decode()))
    assert len(families) == len(METRICS)


async def test_prometheus_reads_openmetrics_where_it_asks_for_it(where: Address) -> None:
    answer = await get(where, Accept=OPENMETRICS)

    assert answer.headers["Content-Type"].startswith("application/openmetrics-text; version=1.0.0")
    families = openmetrics_families(answer.body.decode())  # type: ignore[no-untyped-call]
    assert len(list(families)) == len(METRICS)


async def test_an_answer_is_compressed_where_that_is_taken(where: Address) -> None:
    answer = await get(where, Accept_Encoding="gzip")

    assert answer.headers["Content-Encoding"] == "gzip"
    assert b"ftd_build_info{" in gzip.decompress(answer.body)


async def test_a_query_may_ask_for_some_names_alone(where: Address) -> None:
    answer = await get(where, "/metrics?name[]=ftd_watchers")

    assert answer.body.decode().splitlines()[2:] == ["ftd_watchers 3.0"]


async def test_the_root_says_where_to_look(where: Address) -> None:
    answer = await get(where, "/")

    assert (answer.status, answer.body) == (200, b"ftd tells Prometheus of itself at /metrics\n")


async def test_any_other_path_is_not_found(where: Address) -> None:
    assert (await get(where, "/admin")).status == 404


async def test_only_reading_is_allowed(where: Address) -> None:
    answer = await send(where, b"POST /metrics HTTP/1.1\r\n\r\n")

    assert answer.status == 405


@pytest.mark.parametrize(
    "data",
    [
        b"\x16\x03\x01\x02\x00\x01\r\n\r\n",
        b"GET /metrics\r\n\r\n",
        b"GET /metrics SPDY/3\r\n\r\n",
        b"GET //[ HTTP/1.1\r\n\r\n",
        b"GET /metrics HTTP/1.1\r\nX: " + b"x" * 20_000 + b"\r\n\r\n",
    ],
)
async def test_what_is_no_http_is_refused(where: Address, data: bytes) -> None:
    assert (await send(where, data)).status == 400


async def test_many_read_at_once(where: Address) -> None:
    answers = await asyncio.gather(*(get(where) for _ in range(8)))

    assert [answer.status for answer in answers] == [200] * 8


async def test_a_connection_beyond_the_most_is_closed_and_others_go_on(
    where: Address, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(endpoint, "CONNECTIONS", 1)
    _, silent = await asyncio.open_connection(where.host, where.port)
    reader, writer = await asyncio.open_connection(where.host, where.port)

    assert await reader.read() == b""

    for each in (silent, writer):
        each.close()


async def test_a_silent_client_is_left_after_a_while(
    where: Address, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(endpoint, "REQUEST_S", 0.01)
    reader, writer = await asyncio.open_connection(where.host, where.port)

    assert await reader.read() == b""

    writer.close()


async def test_the_end_does_not_wait_for_a_silent_client(tmp_path: Path) -> None:
    async with opened(tmp_path, "127.0.0.1:0") as where:
        assert where is not None
        reader, writer = await asyncio.open_connection(where.host, where.port)
        writer.write(b"GET /met")
        await get(where)  # both are connected

    assert await asyncio.wait_for(reader.read(), 5) == b""
    writer.close()


# --- where it listens -------------------------------------------------------------------------


async def test_nothing_is_opened_where_nothing_is_configured(tmp_path: Path) -> None:
    async with opened(tmp_path, None) as where:
        assert where is None


async def test_the_loopback_of_ip_6_is_served(tmp_path: Path) -> None:
    if not _has_ip_6():
        pytest.skip("this machine has no IPv6 loopback")
    async with opened(tmp_path, "[::1]:0") as where:
        assert where is not None
        assert str(where) == f"[::1]:{where.port}"
        assert (await get(where, "/")).status == 200


async def test_a_port_in_use_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(BadConfig) as error:
            async with opened(tmp_path, f"127.0.0.1:{port}"):
                pass

    assert str(error.value) == (
        f"--metrics: cannot listen on 127.0.0.1:{port}: another process listens there; "
        "give another port"
    )


def _has_ip_6() -> bool:
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False
