"""What a job may say: every fault at once, each with its place and what would be right."""

import json
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from finetuned.v1 import job_pb2
from ftd.devices.model import DeviceKind
from ftd.errors import InvalidJob, InvalidRequest
from ftd.jobs.model import JobRequest
from ftd.rpc import checks
from tests.fakes.devices import GIB, make_device
from tests.fakes.jobs import RECIPE


def check(device_count: int = 1, **fields: Any) -> JobRequest:
    kind = fields.pop("kind", DeviceKind.SIMULATED)
    machine = [make_device(number, kind=kind) for number in range(device_count)]
    devices = fields.pop("devices", None)
    memory = fields.pop("memory_bytes", None)
    spec = job_pb2.JobSpec(**{"recipe_json": RECIPE, **fields})
    if devices is not None:
        spec.resources.devices = devices
    if memory is not None:
        spec.resources.memory_bytes = memory
    return checks.job_request(spec, devices=machine, refusal=lambda path: None)


def faults(**fields: Any) -> list[tuple[str, str]]:
    with pytest.raises(InvalidJob) as invalid:
        check(**fields)
    return [(fault.field, fault.description) for fault in invalid.value.faults]


def test_a_job_without_faults_is_taken_with_its_recipe_in_canonical_form() -> None:
    job = check(name="ants-bees", priority=1000, after=["a"], labels={"k": ""}, devices=1)

    assert (job.name, job.priority, job.after, job.labels) == (
        "ants-bees", 1000, ("a",), {"k": ""}
    )  # fmt: skip
    assert json.loads(job.recipe_json)["train"]["optimizer"] == {
        "sgd": {
            "lr": 0.1,
            "momentum": 0.0,
            "dampening": 0.0,
            "nesterov": False,
            "weight_decay": 0.0,
        }
    }


@pytest.mark.parametrize("name", ["a", "0", "a-b", "x" * 63, ""])
def test_names_that_are_names(name: str) -> None:
    assert check(name=name).name == name


@pytest.mark.parametrize("name", ["-a", "a-", "A", "a_b", "a b", "é", "x" * 64, "a\n"])
def test_names_that_are_not(name: str) -> None:
    assert faults(name=name) == [
        (
            "name",
            f"`{name}` is not a name: 1 to 63 of a-z, 0-9 and -, "
            "beginning and ending with a letter or digit",
        )
    ]


def test_all_faults_are_told_at_once() -> None:
    recipe = json.dumps({"data": {"digits": {}}, "model": {"cnn": {}}, "trian": {}})

    assert faults(
        name="A", priority=1001, devices=3, after=["", "x" * 64], labels={"": "", "k": "v" * 256},
        recipe_json=recipe,
    ) == [
        (
            "name",
            "`A` is not a name: 1 to 63 of a-z, 0-9 and -, beginning and ending with a letter "
            "or digit",
        ),
        ("resources.devices", "asks for 3 devices; this machine has 1: sim0"),
        ("priority", "1001 is out of range; -1000 to 1000"),
        ("after[0]", "`` is not the name or id of a job"),
        ("after[1]", f"`{'x' * 64}` is not the name or id of a job"),
        ("labels", "the key `` has 0 characters; 1 to 63"),
        ("labels.k", "the value has 256 characters; at most 255"),
        ("train", "is missing"),
        ("trian", "unknown key `trian`; did you mean `train`?"),
    ]  # fmt: skip


def test_what_a_job_needs_is_held_against_what_the_machine_has() -> None:
    assert faults(memory_bytes=0) == [
        (
            "resources.memory",
            "0 is too little; say how much it needs of each device, such as 11GiB",
        )
    ]
    assert faults(memory_bytes=17 * GIB) == [
        ("resources.memory", "asks for 17 GiB of each device; the largest has 16 GiB")
    ]
    assert faults(device_count=2, devices=2, kind=DeviceKind.GPU) == [
        ("resources.devices", "is 2; training on several GPUs is not built in this version")
    ]
    assert check(device_count=2, devices=2, memory_bytes=16 * GIB).memory_bytes == 16 * GIB


def test_a_timeout_is_at_least_a_second() -> None:
    assert faults(timeout=timedelta(milliseconds=500)) == [
        ("timeout", "0.5 s is too short; at least 1 s")
    ]
    assert check(timeout=timedelta(minutes=90)).timeout_s == 5400.0


def test_times_that_cannot_be_are_faults() -> None:
    assert faults(timeout=Duration(seconds=2**62), not_before=Timestamp(seconds=2**60)) == [
        ("timeout", "is out of range; a Duration has at most 315,576,000,000 s"),
        ("not_before", "is no moment of the years 1 to 9999"),
    ]


@pytest.mark.parametrize(
    ("check_it", "given", "message"),
    [
        (checks.device_ref, "", "device: say which, by its id, its uuid, or the beginning of one"),
        (checks.device_ref, "x" * 64, f"device: `{'x' * 64}` is longer than any id, 63"),
        (checks.drain_reason, "x" * 256, "reason: it has 256 characters; at most 255"),
    ],
)
def test_what_a_drain_may_not_say(check_it: Callable[[str], str], given: str, message: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        check_it(given)
    assert str(refused.value) == message


def test_too_few_devices_too_many_jobs_and_too_many_labels() -> None:
    assert faults(devices=0) == [("resources.devices", "0 is too few; a job takes at least 1")]
    assert faults(after=["a"] * 65) == [("after", "names 65 jobs; at most 64")]
    assert faults(labels={str(n): "" for n in range(65)}) == [("labels", "65 labels; at most 64")]
    assert faults(priority=-1001) == [("priority", "-1001 is out of range; -1000 to 1000")]


def test_a_recipe_over_a_mebibyte_is_refused_unread() -> None:
    assert faults(recipe_json=" " * 2**20 + RECIPE) == [
        ("", "the recipe has 1.0 MiB; at most 1 MiB")
    ]


def test_a_recipe_that_is_no_json_is_a_fault_of_the_whole() -> None:
    ((field, description),) = faults(recipe_json="{")

    assert field == ""
    assert description.startswith("is not JSON: EOF while parsing an object")


def test_a_recipe_of_nothing_but_faults_does_not_hold_the_daemon_up() -> None:
    recipe = json.dumps({f"key{number}": 1 for number in range(60_000)})
    begin = time.process_time()

    found = faults(recipe_json=recipe)

    assert time.process_time() - begin < 5
    assert found[-1] == ("", "and 59903 more faults")


@pytest.mark.parametrize(
    ("ref", "message"),
    [
        ("", "job: say which, by its id, the beginning of it, or its name"),
        ("x" * 64, f"job: `{'x' * 64}` is longer than any name or id, 63"),
        ("x" * 999, f"job: `{'x' * 67}...` is longer than any name or id, 63"),
    ],
)
def test_what_cannot_mean_a_job_is_refused(ref: str, message: str) -> None:
    with pytest.raises(InvalidRequest) as invalid:
        checks.job_ref(ref)

    assert str(invalid.value) == message


def test_a_request_id_has_at_most_36_characters() -> None:
    assert checks.request_id("x" * 36) == "x" * 36
    with pytest.raises(InvalidRequest, match=r"request_id: `x*` has 37 characters; at most 36"):
        checks.request_id("x" * 37)


@pytest.mark.parametrize(("given", "meant"), [(0, 50), (7, 7), (1000, 1000), (5000, 1000)])
def test_page_sizes_have_a_default_and_a_largest(given: int, meant: int) -> None:
    assert checks.page_size(given) == meant


def test_a_negative_page_size_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="page_size: -1 is negative"):
        checks.page_size(-1)


def test_a_path_must_say_where_it_begins() -> None:
    recipe = json.loads(RECIPE)
    recipe["data"] = {"folder": {"path": "photos"}}
    recipe["model"] |= {"weights": "file:nets/a.pth"}

    assert faults(recipe_json=json.dumps(recipe)) == [
        (
            "model.weights",
            "`nets/a.pth` is relative; say the absolute path on the daemon's machine",
        ),
        (
            "data.folder.path",
            "`photos` is relative; say the absolute path on the daemon's machine",
        ),
    ]


def test_a_path_holds_no_zero_byte() -> None:
    recipe = json.loads(RECIPE)
    recipe["data"] = {"folder": {"path": "/photos\0"}}

    assert faults(recipe_json=json.dumps(recipe)) == [
        ("data.folder.path", "`/photos\0` holds a zero byte, as no path may")
    ]
