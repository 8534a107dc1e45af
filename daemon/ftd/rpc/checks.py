"""What a request may say: all faults of a job at once, and the limits of the rest."""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC
from pathlib import Path

from google.protobuf.duration_pb2 import Duration

from finetuned.v1 import job_pb2
from finetuned.v1 import job_service_pb2 as pb
from ftd.devices.model import Device
from ftd.errors import InvalidJob, InvalidRequest
from ftd.jobs import policy, references
from ftd.jobs.model import JobRequest
from ftd.jobs.store.reads import Filter
from ftd.rpc.convert import spec_from_proto, states_from_proto
from fttrain.spec import basing
from fttrain.spec.basing import Resolved
from fttrain.spec.faults import Fault, RecipeFaults
from fttrain.spec.recipe import Recipe, canonical

MOST_RECIPE_BYTES = 2**20
MOST_AFTER = 64
MOST_RETRIES = 100
MOST_LABELS = 64
MOST_REF = 63
MOST_REQUEST_ID = 36
DEFAULT_PAGE = 50
LARGEST_PAGE = 1000
MOST_DRAIN_REASON = 255
MOST_PATTERN = 255

_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")


PathRefusal = Callable[[str], str | None]
"""Says why a path may not be named; None: it may."""


def job_request(
    spec: job_pb2.JobSpec, *, devices: Sequence[Device], refusal: PathRefusal
) -> JobRequest:
    """Return the checked job with its recipe in canonical form.

    Raises:
        InvalidJob: with all faults.
    """
    found = list(_spec_faults(spec, devices))
    try:
        resolved = _resolved(spec.recipe_json, refusal=refusal)
    except InvalidJob as error:
        raise InvalidJob([*found, *error.faults]) from None
    if found:
        raise InvalidJob(found)
    return spec_from_proto(spec, recipe_json=canonical(resolved.recipe), base=resolved.base)


def recipe(recipe_json: str, *, refusal: PathRefusal) -> str:
    """Return a checked recipe in canonical form, merged over the one that it is based on.

    Raises:
        InvalidJob: with all faults.
    """
    return canonical(_resolved(recipe_json, refusal=refusal).recipe)


def _resolved(recipe_json: str, *, refusal: PathRefusal) -> Resolved:
    size = len(recipe_json.encode())
    if size > MOST_RECIPE_BYTES:
        text = f"the recipe has {size / 2**20:.1f} MiB; at most 1 MiB"
        raise InvalidJob([Fault(field="", description=text)])
    try:
        resolved = basing.resolve(recipe_json)
    except RecipeFaults as error:
        raise InvalidJob(error.faults) from None
    if found := list(_path_faults(resolved.recipe, refusal)):
        raise InvalidJob(found)
    return resolved


def _path_faults(recipe: Recipe, refusal: PathRefusal) -> Iterator[Fault]:
    """Find paths that are relative to who knows what, or that the caller may not name."""
    found = list(_faults_of(references.paths_of(recipe), refusal))
    # Where the folder itself is refused, so is all that lies in it.
    yield from found or _faults_of(references.paths_beneath(recipe), refusal)


def _faults_of(paths: Iterable[tuple[str, str]], refusal: PathRefusal) -> Iterator[Fault]:
    for field, path in paths:
        if not Path(path).is_absolute():
            what = f"{_shown(path)} is relative; say the absolute path on the daemon's machine"
            yield Fault(field=field, description=what)
        elif "\0" in path:
            yield Fault(
                field=field, description=f"{_shown(path)} holds a zero byte, as no path may"
            )
        elif (refused := refusal(path)) is not None:
            yield Fault(field=field, description=refused)


def job_ref(ref: str) -> str:
    """Return what a request calls a job, if a job can be called so.

    Raises:
        InvalidRequest
    """
    if not ref:
        raise InvalidRequest("job: say which, by its id, the beginning of it, or its name")
    if len(ref) > MOST_REF:
        raise InvalidRequest(f"job: {_shown(ref)} is longer than any name or id, {MOST_REF}")
    return ref


def device_ref(ref: str) -> str:
    """Return what a request calls a device, if a device can be called so.

    Raises:
        InvalidRequest
    """
    if not ref:
        raise InvalidRequest("device: say which, by its id, its uuid, or the beginning of one")
    if len(ref) > MOST_REF:
        raise InvalidRequest(f"device: {_shown(ref)} is longer than any id, {MOST_REF}")
    return ref


def drain_reason(given: str) -> str:
    """Return why a device is drained, if that can be shown.

    Raises:
        InvalidRequest
    """
    if len(given) > MOST_DRAIN_REASON:
        raise InvalidRequest(f"reason: it has {len(given)} characters; at most {MOST_DRAIN_REASON}")
    return given


def request_id(given: str) -> str:
    """Return a request id, if it is one.

    Raises:
        InvalidRequest
    """
    if len(given) > MOST_REQUEST_ID:
        raise InvalidRequest(
            f"request_id: {_shown(given)} has {len(given)} characters; at most {MOST_REQUEST_ID}"
        )
    return given


def page_size(given: int) -> int:
    """Return the page size that a listing means.

    Raises:
        InvalidRequest: for a negative one.
    """
    return min(not_negative("page_size", given) or DEFAULT_PAGE, LARGEST_PAGE)


def listing(request: pb.ListJobsRequest) -> Filter:
    """Return which jobs a listing asks for.

    Raises:
        InvalidRequest: for a state that is none, or a text that is longer than any could match.
    """
    for field, text in (("name", request.name), ("user", request.user)):
        if len(text) > MOST_PATTERN:
            raise InvalidRequest(f"{field}: it has {len(text)} characters; at most {MOST_PATTERN}")
    if len(request.labels) > MOST_LABELS:
        raise InvalidRequest(f"labels: {len(request.labels)} of them; at most {MOST_LABELS}")
    return Filter(
        states=states_from_proto(request.states),
        name=request.name,
        user=request.user,
        labels=dict(request.labels),
    )


def not_negative(field: str, given: int) -> int:
    """Return a number that may not be negative.

    Raises:
        InvalidRequest
    """
    if given < 0:
        raise InvalidRequest(f"{field}: {given} is negative")
    return given


def _spec_faults(spec: job_pb2.JobSpec, devices: Sequence[Device]) -> Iterator[Fault]:
    if spec.name and not _NAME.fullmatch(spec.name):
        yield Fault(
            field="name",
            description=f"{_shown(spec.name)} is not a name: 1 to 63 of a-z, 0-9 and -, "
            "beginning and ending with a letter or digit",
        )
    yield from _resource_faults(spec.resources, devices)
    yield from _time_faults(spec)
    if not -1000 <= spec.priority <= 1000:
        text = f"{spec.priority} is out of range; -1000 to 1000"
        yield Fault(field="priority", description=text)
    yield from _after_faults(spec)
    yield from _label_faults(spec)


def _resource_faults(resources: job_pb2.Resources, devices: Sequence[Device]) -> Iterator[Fault]:
    count = resources.devices if resources.HasField("devices") else 1
    memory = resources.memory_bytes if resources.HasField("memory_bytes") else None
    if count < 1:
        text = f"{count} is too few; a job takes at least 1"
        yield Fault(field="resources.devices", description=text)
    elif count > 1 and any(device.is_card for device in devices):
        text = f"is {count}; training on several GPUs is not built in this version"
        yield Fault(field="resources.devices", description=text)
    if memory is not None and memory < 1:
        text = f"{memory} is too little; say how much it needs of each device, such as 11GiB"
        yield Fault(field="resources.memory", description=text)
    else:
        yield from policy.impossible(devices=count, memory_bytes=memory, machine=devices)


def _time_faults(spec: job_pb2.JobSpec) -> Iterator[Fault]:
    if spec.HasField("timeout"):
        yield from _span_faults("timeout", spec.timeout, least=1)
    if spec.HasField("min_runtime"):
        yield from _span_faults("min_runtime", spec.min_runtime, least=0)
    if not 0 <= spec.retries <= MOST_RETRIES:
        text = f"{spec.retries} is out of range; 0 to {MOST_RETRIES}"
        yield Fault(field="retries", description=text)
    try:
        spec.not_before.ToDatetime(UTC)
    except (ValueError, OverflowError):
        yield Fault(field="not_before", description="is no moment of the years 1 to 9999")


def _span_faults(field: str, span: Duration, *, least: float) -> Iterator[Fault]:
    try:
        seconds = span.ToTimedelta().total_seconds()
    except (ValueError, OverflowError):
        text = "is out of range; a Duration has at most 315,576,000,000 s"
        yield Fault(field=field, description=text)
    else:
        if seconds < least:
            text = f"{seconds:g} s is too short; at least {least:g} s"
            yield Fault(field=field, description=text)


def _after_faults(spec: job_pb2.JobSpec) -> Iterator[Fault]:
    if len(spec.after) > MOST_AFTER:
        text = f"names {len(spec.after)} jobs; at most {MOST_AFTER}"
        yield Fault(field="after", description=text)
        return
    for position, ref in enumerate(spec.after):
        if not 0 < len(ref) <= MOST_REF:
            text = f"{_shown(ref)} is not the name or id of a job"
            yield Fault(field=f"after[{position}]", description=text)


def _label_faults(spec: job_pb2.JobSpec) -> Iterator[Fault]:
    if len(spec.labels) > MOST_LABELS:
        text = f"{len(spec.labels)} labels; at most {MOST_LABELS}"
        yield Fault(field="labels", description=text)
        return
    for key, value in sorted(spec.labels.items()):
        if not 0 < len(key) <= 63:
            text = f"the key {_shown(key)} has {len(key)} characters; 1 to 63"
            yield Fault(field="labels", description=text)
        elif len(value) > 255:
            text = f"the value has {len(value)} characters; at most 255"
            yield Fault(field=f"labels.{key}", description=text)


def _shown(text: str) -> str:
    return f"`{text}`" if len(text) <= 70 else f"`{text[:67]}...`"
