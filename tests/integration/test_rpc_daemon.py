"""What the daemon says of itself, of its users, and of where their data may lie."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2

from finetuned.v1 import daemon_service_pb2 as pb
from finetuned.v1 import daemon_service_pb2_grpc
from finetuned.v1 import job_service_pb2 as jobs
from ftd.jobs.callers import Caller
from ftd.jobs.model import Attempt, JobState
from ftd.jobs.roots import Roots
from ftd.release import version
from tests.fakes.jobs import NOW
from tests.fakes.listening import Line, details, listening, spec

RECIPE = """{"data": {"folder": {"path": "%s"}}, "model": {"cnn": {}, "weights": "file:%s"},
"train": {"epochs": 1, "batch_size": 4, "optimizer": {"sgd": {"lr": 0.1}}}}"""

ORIGIN = """{"data": %s, "model": {"cnn": {}},
"train": {"epochs": 1, "batch_size": 4, "optimizer": {"sgd": {"lr": 0.1}}}}"""


@pytest.fixture
async def line(tmp_path: Path) -> AsyncIterator[Line]:
    async with listening(tmp_path) as line:
        yield line


def stub(line: Line) -> Any:
    return daemon_service_pb2_grpc.DaemonServiceStub(line.channel)


async def test_it_says_its_version_its_clock_its_disk_and_who_calls(line: Line) -> None:
    daemon = (await stub(line).GetDaemon(pb.GetDaemonRequest())).daemon

    assert daemon.version == version()
    assert daemon.time.ToDatetime(NOW.tzinfo) == daemon.start_time.ToDatetime(NOW.tzinfo) == NOW
    assert 0 < daemon.disk_free_bytes <= daemon.disk_bytes
    assert (daemon.is_admin, daemon.any_path, list(daemon.data_roots)) == (True, True, [])


async def test_each_user_s_jobs_and_device_time_are_added_up(line: Line) -> None:
    office = line.office
    for name, user in (("a", "alice"), ("b", "alice"), ("c", "bob")):
        reply = await line.jobs.SubmitJob(jobs.SubmitJobRequest(spec=spec(name)))
        job = office.jobs[reply.job.id]
        caller = Caller(user=user, is_admin=False)
        await office.cancel(job.id)
        await office.submit(job.request, request_id="", caller=caller)
    first = next(job for job in office.jobs.values() if job.user == "alice")
    attempt = Attempt(
        job_id=first.id, number=1, run_dir="/r", devices=("sim0", "sim1"),
        start_time=NOW - timedelta(seconds=30), end_time=NOW - timedelta(seconds=10),
    )  # fmt: skip
    await office.store.append(office.jobs[first.id], [], attempt=attempt)
    await office.start(first.id)

    users = (await stub(line).ListUsage(pb.ListUsageRequest())).users

    told = {each.user: (each.queued, each.running, each.ended) for each in users}
    owner = next(iter(set(told) - {"alice", "bob"}))
    assert told == {"alice": (1, 1, 0), "bob": (1, 0, 0), owner: (0, 0, 3)}
    assert {each.user: each.device_seconds for each in users}["alice"] == 40.0
    alone = await office.store.usage(NOW, only_of="bob")
    assert [each.user for each in alone] == ["bob"]


async def test_the_account_outlives_deleted_jobs(line: Line) -> None:
    for name in ("a", "b"):
        reply = await line.jobs.SubmitJob(jobs.SubmitJobRequest(spec=spec(name)))
        job = line.office.jobs[reply.job.id]
        attempt = Attempt(
            job_id=job.id, number=1, run_dir="/r", devices=("sim0",),
            start_time=NOW - timedelta(seconds=5), end_time=NOW,
        )  # fmt: skip
        await line.office.store.append(job, [], attempt=attempt)
        await line.office.cancel(job.id)
    before = await stub(line).ListUsage(pb.ListUsageRequest())

    await line.jobs.DeleteJob(jobs.DeleteJobRequest(job="a"))
    one_left = await stub(line).ListUsage(pb.ListUsageRequest())
    await line.jobs.DeleteJob(jobs.DeleteJobRequest(job="b"))

    assert before.users[0].device_seconds == 10.0
    assert before == one_left == await stub(line).ListUsage(pb.ListUsageRequest())


async def test_paths_outside_the_roots_are_refused_wherever_links_lead(
    line: Line, tmp_path: Path
) -> None:
    root, outside = tmp_path / "data", tmp_path / "other"
    root.mkdir()
    outside.mkdir()
    (root / "link").symlink_to(outside)
    line.office.roots = Roots([root])

    (root / "circle").symlink_to(root / "circle")

    async def faults(data: Path, weights: Path) -> dict[str, str]:
        return await faults_of(line, RECIPE % (data, weights))

    told = "`{}` lies outside the data roots of this daemon, {}; put it there, or push it with "
    told += "`ftctl dataset push`"
    assert await faults(root / "x", root / "y/w.pth") == {}
    assert await faults(root / "link", outside / "w.pth") == {
        "data.folder.path": told.format(root / "link", root),
        "model.weights": told.format(outside / "w.pth", root),
    }
    assert list(await faults(root / "../other", root)) == ["data.folder.path"]
    assert await faults(root / "circle", root / "y") == {}


async def test_folders_within_folders_stay_in_the_roots_too(line: Line, tmp_path: Path) -> None:
    root = tmp_path / "data"
    root.mkdir()
    (root / "val").symlink_to("/etc")
    line.office.roots = Roots([root])

    found = await faults_of(
        line, ORIGIN % f'{{"folder": {{"path": "{root}", "train": "../x", "test": "/usr"}}}}'
    )

    told = "`{}` lies outside the data roots of this daemon, {}; put it there, or push it with "
    told += "`ftctl dataset push`"
    assert found == {
        "data.folder.train": told.format(root / "../x", root),
        "data.folder.val": told.format(root / "val", root),
        "data.folder.test": told.format("/usr", root),
    }


@pytest.mark.parametrize(
    ("data", "fields"),
    [
        ('{"manifest": {"path": "/x/list.csv", "root": "/y"}}',
         ["data.manifest.path", "data.manifest.root"]),
        ('{"torchvision": {"name": "CIFAR10", "path": "/x"}}', ["data.torchvision.path"]),
        ('{"cub200": {"path": "x"}}', ["data.cub200.path"]),
    ],
)  # fmt: skip
async def test_paths_of_every_origin_stay_in_the_roots(
    line: Line, tmp_path: Path, data: str, fields: list[str]
) -> None:
    line.office.roots = Roots([tmp_path])

    assert list(await faults_of(line, ORIGIN % data)) == fields


async def faults_of(line: Line, recipe_json: str) -> dict[str, str]:
    job = spec("ants", recipe_json=recipe_json)
    try:
        await line.jobs.SubmitJob(jobs.SubmitJobRequest(spec=job, validate_only=True))
    except grpc.aio.AioRpcError as error:
        request = details(error)["BadRequest"]
        assert isinstance(request, error_details_pb2.BadRequest)
        return {each.field: each.description for each in request.field_violations}
    return {}


def test_without_roots_only_admins_name_paths() -> None:
    user, admin = Caller(user="u", is_admin=False), Caller(user="a", is_admin=True)

    assert Roots().refusal("/data", admin) is None
    assert Roots().refusal("/data", user) == (
        "paths of the daemon's machine are for its admins; push the data with "
        "`ftctl dataset push`, or ask for a data root (`ftd serve --data-roots`)"
    )
    assert Roots([Path("/data")]).refusal("/data/x", user) is None
    assert Roots([Path("/data")]).refusal("/database", admin) is not None


async def test_a_job_of_all_states_is_counted_once(line: Line) -> None:
    reply = await line.jobs.SubmitJob(jobs.SubmitJobRequest(spec=spec("ants")))
    await line.office.start(reply.job.id)
    counts = []
    for state in (None, JobState.CANCELLING, JobState.CANCELLED):
        if state is not None:
            await line.office.move(reply.job.id, state)
        (user,) = (await stub(line).ListUsage(pb.ListUsageRequest())).users
        counts.append((user.queued, user.running, user.ended))

    assert counts == [(0, 1, 0), (0, 1, 0), (0, 0, 1)]
