"""The door for other machines: every method, every kind of caller, over real TLS."""

import asyncio
import socket
import ssl
import subprocess
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import pytest
import structlog
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from sqlalchemy.exc import OperationalError

from finetuned.v1 import device_service_pb2 as devices
from finetuned.v1 import job_service_pb2 as jobs
from ftd import tls
from ftd.errors import BadConfig, Unauthenticated
from ftd.jobs.callers import Caller
from ftd.jobs.store.tokens import Role, Tokens
from ftd.rpc import callers, methods
from tests.fakes.jobs import NOW, RECIPE
from tests.fakes.listening import Line, reason, spec
from tests.fakes.pushing import FLOWERS, Pusher
from tests.fakes.requests import (
    FOR_IT,
    OF_A_DATASET,
    OF_A_JOB,
    OF_A_PUSH,
    OF_ADMINS,
    REQUESTS,
    STYLES,
    D,
    J,
)


@dataclass(frozen=True, kw_only=True)
class Door:
    """An open door, tokens by who has them, and alice's job `ants`."""

    line: Line
    port: int
    channel: grpc.aio.Channel
    tokens: dict[str, str]
    push_id: str
    """Of a push that alice has begun."""

    def call(self, method: str, who: str, request: Any = None) -> Any:
        token = self.tokens.get(who)
        metadata = [("authorization", f"Bearer {token}")] if token else []
        kind = methods.calls()[method].type
        make = getattr(self.channel, STYLES[kind])
        send = make(method, request_serializer=lambda message: message.SerializeToString())
        asked = request or REQUESTS[method]("ants")
        if hasattr(asked, "push_id"):
            asked.push_id = self.push_id
        asked = iter([asked]) if kind in ("client_stream", "bidi_stream") else asked
        return send(asked, metadata=metadata, timeout=20)

    async def code(self, method: str, who: str) -> tuple[str, str]:
        """Return the code and the reason with which a call ends, or with which it goes well."""
        call = self.call(method, who)
        try:
            if methods.calls()[method].type in ("unary", "client_stream"):
                await call
            elif await call.read() is not grpc.aio.EOF:
                call.cancel()
        except grpc.aio.AioRpcError as error:
            return error.code().name, reason(error)
        return "OK", ""


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
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


@pytest.fixture
async def door(line: Line, pair: tuple[Path, Path]) -> AsyncIterator[Door]:
    make = line.office.store.tokens.create
    tokens = {
        "owner": await make("laptop", user="alice", role=Role.USER, now=NOW),
        "other user": await make("bob", user="bob", role=Role.USER, now=NOW),
        "admin": await make("root", user="root", role=Role.ADMIN, now=NOW),
        "revoked": await make("old", user="alice", role=Role.USER, now=NOW),
        "wrong": "ftd_" + "x" * 43,
    }
    await line.office.store.tokens.revoke("old", now=NOW)
    port = await line.listener.open_door("localhost:0", await asyncio.to_thread(tls.read, *pair))
    trusted = grpc.ssl_channel_credentials(pair[0].read_bytes())
    async with grpc.aio.secure_channel(f"localhost:{port}", trusted) as channel:
        alice = Pusher(channel=channel, token=tokens["owner"])
        await alice.push(FLOWERS)
        begun = await alice.begin({"a.jpg": FLOWERS["train/a/1.jpg"], "b.jpg": b"?"}, "begun")
        door = Door(line=line, port=port, channel=channel, tokens=tokens, push_id=begun.push_id)
        recipe = RECIPE.replace('"digits":{}', '"dataset":"flowers"')
        request = jobs.SubmitJobRequest(spec=spec("ants", recipe_json=recipe))
        await door.call(J + "SubmitJob", "owner", request)
        yield door


def test_every_method_is_tried() -> None:
    assert set(REQUESTS) == set(methods.calls())


@pytest.mark.parametrize("method", REQUESTS)
async def test_each_caller_gets_what_is_his(door: Door, method: str) -> None:
    refused = ("UNAUTHENTICATED", "UNAUTHENTICATED")
    for who in ("nobody", "wrong", "revoked"):
        assert await door.code(method, who) == refused
    other = ("OK", "")
    if method in OF_A_JOB:
        other = ("NOT_FOUND", "JOB_NOT_FOUND")
    if method in OF_ADMINS:
        other = ("PERMISSION_DENIED", "PERMISSION_DENIED")
    if method in OF_A_DATASET:
        other = ("NOT_FOUND", "DATASET_NOT_FOUND")
    if method in OF_A_PUSH:
        other = ("NOT_FOUND", "PUSH_NOT_FOUND")

    assert await door.code(method, "other user") == other
    if method != J + "SubmitJob":  # bob's `new` waits: names are shared
        his = FOR_IT.get(method, ("OK", ""))
        assert await door.code(method, "admin") == (other if method in OF_A_PUSH else his)
        his = OF_A_PUSH.get(method, his)
        assert await door.code(method, "owner") == (other if method in OF_ADMINS else his)


async def test_a_refusal_tells_a_guesser_nothing(door: Door) -> None:
    told = set()
    for who in ("nobody", "wrong", "revoked"):
        with pytest.raises(grpc.aio.AioRpcError) as error:
            await door.call(J + "ListJobs", who)
        told.add(error.value.details())

    assert told == {str(Unauthenticated())}


async def test_a_store_that_fails_tells_a_caller_nothing_of_itself(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fails(*_: Any, **__: Any) -> None:
        raise OperationalError("SELECT secrets", {}, Exception("disk I/O error"))

    monkeypatch.setattr(Tokens, "find", fails)

    with structlog.testing.capture_logs() as log, pytest.raises(grpc.aio.AioRpcError) as error:
        await door.call(J + "GetJob", "owner")

    (failed,) = [each for each in log if each["event"] == "rpc_failed"]
    assert (error.value.code().name, reason(error.value)) == ("INTERNAL", "INTERNAL")
    assert error.value.details() == (
        "the daemon failed at this; its log tells why under request_id " + failed["request_id"]
    )


async def test_jobs_are_listed_and_named_for_whose_they_are(door: Door) -> None:
    async def listed(who: str) -> list[tuple[str, str]]:
        reply = jobs.ListJobsResponse.FromString(await door.call(J + "ListJobs", who))
        return [(job.spec.name, job.user) for job in reply.jobs]

    assert await listed("owner") == await listed("admin") == [("ants", "alice")]
    assert await listed("other user") == []


async def test_what_is_for_admins_says_who_may(door: Door) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await door.call(D + "DrainDevice", "owner")

    assert error.value.details() == (
        "user alice may not drain devices; ask an admin, or who runs the daemon for a token made "
        "with `ftd token create NAME --admin`"
    )


async def test_another_users_job_on_a_device_is_not_named(door: Door) -> None:
    (job,) = door.line.office.jobs.values()
    door.line.office.fleet.hold(job, (door.line.office.devices[0].id,))

    async def seen(who: str) -> list[str]:
        reply = devices.ListDevicesResponse.FromString(await door.call(D + "ListDevices", who))
        return [job.name for device in reply.devices for job in device.jobs]

    assert await seen("owner") == await seen("admin") == ["ants"]
    assert await seen("other user") == [""]


async def test_a_revoked_token_ends_the_streams_that_it_began(door: Door) -> None:
    stream = door.call(J + "WatchJob", "owner")
    await stream.read()

    await door.line.office.store.tokens.revoke("laptop", now=NOW)

    with pytest.raises(grpc.aio.AioRpcError) as error:
        await stream.read()
    assert error.value.code() is grpc.StatusCode.UNAUTHENTICATED


async def test_a_look_at_a_token_that_fails_is_not_the_last_one(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(callers, "AGAIN_S", 0.01)
    is_asked = asyncio.Event()
    watching = door.call(J + "WatchJob", "owner")
    await watching.read()

    async def fails(*_: Any, **__: Any) -> None:
        is_asked.set()
        raise OperationalError("SELECT", {}, Exception("disk I/O error"))

    with monkeypatch.context() as patched:
        patched.setattr(Tokens, "find", fails)
        await is_asked.wait()
    await door.line.office.store.tokens.revoke("laptop", now=NOW)

    with pytest.raises(grpc.aio.AioRpcError) as error:
        await watching.read()
    assert error.value.code() is grpc.StatusCode.UNAUTHENTICATED


async def test_health_needs_no_token_and_reflection_does(door: Door) -> None:
    health = health_pb2_grpc.HealthStub(door.channel)
    assert (await health.Check(health_pb2.HealthCheckRequest())).status == 1
    question = reflection_pb2.ServerReflectionRequest(list_services="")

    async def services(channel: grpc.aio.Channel, token: str = "") -> set[str]:
        stub = reflection_pb2_grpc.ServerReflectionStub(channel)
        metadata = [("authorization", f"Bearer {token}")] if token else []
        call = stub.ServerReflectionInfo(iter([question]), metadata=metadata)
        reply = await call.read()
        return {service.name for service in reply.list_services_response.service}

    assert "finetuned.v1.JobService" in await services(door.channel, door.tokens["owner"])
    assert "finetuned.v1.JobService" in await services(door.line.channel)
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await services(door.channel)
    assert error.value.code() is grpc.StatusCode.UNAUTHENTICATED


async def test_plaintext_and_old_tls_get_nothing(door: Door) -> None:
    async with grpc.aio.insecure_channel(f"localhost:{door.port}") as channel:
        call = channel.unary_unary("/grpc.health.v1.Health/Check")(b"", timeout=5)
        with pytest.raises(grpc.aio.AioRpcError) as error:
            await call
    assert error.value.code() is grpc.StatusCode.UNAVAILABLE

    old = ["openssl", "s_client", "-connect", f"localhost:{door.port}", "-tls1_1",
           "-cipher", "ALL:@SECLEVEL=0"]  # fmt: skip
    process = await asyncio.create_subprocess_exec(
        *old, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    told, _ = await process.communicate()
    assert process.returncode != 0
    assert b"Cipher is (NONE)" in told


async def test_a_large_message_and_slow_clients_stop_nobody(door: Door) -> None:
    def hang() -> list[socket.socket]:
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        context.set_alpn_protocols(["h2"])
        silent = socket.create_connection(("localhost", door.port))
        begun = context.wrap_socket(socket.create_connection(("localhost", door.port)))
        begun.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        return [silent, begun]

    slow = await asyncio.to_thread(hang)
    large = door.call(J + "GetJob", "owner", jobs.GetJobRequest(job="x" * 2**26))

    assert await door.code(J + "ListJobs", "owner") == ("OK", "")
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await large
    assert error.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    for each in slow:
        each.close()


async def test_no_log_and_no_error_holds_a_token(door: Door) -> None:
    with structlog.testing.capture_logs() as told:
        for who in door.tokens:
            for method in REQUESTS:
                await door.code(method, who)

    assert {"rpc", "rpc_refused"} <= {entry["event"] for entry in told}
    assert not [token for token in door.tokens.values() if token in str(told)]


async def test_a_port_that_is_taken_is_said(door: Door, pair: tuple[Path, Path]) -> None:
    identity = await asyncio.to_thread(tls.read, *pair)

    with pytest.raises(BadConfig) as bad:
        await door.line.listener.open_door(f"localhost:{door.port}", identity)

    assert str(bad.value) == (
        f"--listen: localhost:{door.port} cannot be had; another process has the port, or the "
        "address is not this machine's"
    )


async def test_the_socket_is_its_owners_who_is_an_admin(door: Door) -> None:
    reply = await door.line.jobs.GetJob(jobs.GetJobRequest(job="ants"))

    assert reply.job.user == "alice"
    assert Caller(user="alice", is_admin=True).only_of is None


def test_files_that_are_no_pair_are_said(pair: tuple[Path, Path], tmp_path: Path) -> None:
    certificate, key = pair
    missing, other = tmp_path / "no.pem", tmp_path / "other.pem"
    subprocess.run(
        ["openssl", "genpkey", "-algorithm", "ED25519", "-out", other], check=True,
        capture_output=True,
    )  # fmt: skip
    faults = []
    for files in ((missing, key), (certificate, other), (key, key)):
        with pytest.raises(BadConfig) as bad:
            tls.read(*files)
        faults.append(str(bad.value))

    assert faults == [
        f"--tls-cert: {missing} cannot be read: No such file or directory",
        f"--tls-key: {other} is not the key of the certificate {certificate}",
        f"--tls-cert, --tls-key: {key} and {key} are no certificate and key in PEM without a "
        "password",
    ]
