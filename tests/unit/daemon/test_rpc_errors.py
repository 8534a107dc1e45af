"""Each domain error as a status: code, machine-readable reason, and what goes with it."""

import grpc
import pytest
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2

from ftd import errors
from ftd.rpc import errors as translation
from fttrain.spec.faults import Fault

CODES = {
    errors.InvalidRequest: "INVALID_ARGUMENT",
    errors.InvalidPageToken: "INVALID_ARGUMENT",
    errors.JobNotFound: "NOT_FOUND",
    errors.AmbiguousJobId: "INVALID_ARGUMENT",
    errors.NameTaken: "ALREADY_EXISTS",
    errors.RequestIdReused: "ALREADY_EXISTS",
    errors.WatcherTooSlow: "RESOURCE_EXHAUSTED",
    errors.ShuttingDown: "UNAVAILABLE",
    errors.PlannerUnavailable: "UNAVAILABLE",
    errors.PermissionDenied: "PERMISSION_DENIED",
    errors.StateLocked: "INTERNAL",
}


def rich(status: grpc.Status) -> status_pb2.Status:
    ((key, value),) = status.trailing_metadata
    assert key == "grpc-status-details-bin"
    return status_pb2.Status.FromString(value)


def detail(status: grpc.Status, into: Message) -> Message:
    (found,) = [each for each in rich(status).details if each.Is(into.DESCRIPTOR)]
    found.Unpack(into)
    return into


@pytest.mark.parametrize("kind", CODES)
def test_every_error_has_its_code_its_reason_and_its_words(
    kind: type[errors.DaemonError],
) -> None:
    status = translation.status_of(kind("what, to what, what next"))

    info = detail(status, error_details_pb2.ErrorInfo())
    assert status.code.name == CODES[kind]
    assert rich(status).code == status.code.value[0]
    assert status.details == rich(status).message == "what, to what, what next"
    assert (info.reason, info.domain) == (kind.reason, "finetuned")


def test_every_error_of_the_domain_is_thought_of() -> None:
    def below(kind: type[errors.DaemonError]) -> set[type[errors.DaemonError]]:
        return {kind}.union(*map(below, kind.__subclasses__()))

    start_only = {
        errors.DaemonError, errors.StateLocked, errors.BadConfig, errors.TokenNameTaken,
        errors.TokenNotFound, errors.BadBackup,
    }  # fmt: skip
    assert below(errors.DaemonError) - start_only == set(translation.CODES)


def test_an_invalid_job_names_each_fault_with_its_field() -> None:
    found = [Fault(field="train.lr", description="is missing"), Fault(field="", description="x")]

    status = translation.status_of(errors.InvalidJob(found))

    told = detail(status, error_details_pb2.BadRequest()).field_violations
    assert status.code is grpc.StatusCode.INVALID_ARGUMENT
    assert status.details == "the job has 2 faults"
    assert [(each.field, each.description) for each in told] == [
        ("train.lr", "is missing"), ("", "x")
    ]  # fmt: skip


@pytest.mark.parametrize("length", [10, 100, 4000, 2_000_000])
def test_faults_without_end_still_fit_what_a_client_accepts(length: int) -> None:
    text = "d" * length
    found = [Fault(field=f"f{n}", description=text) for n in range(1000)]

    status = translation.status_of(errors.InvalidJob(found))

    told = detail(status, error_details_pb2.BadRequest()).field_violations
    assert len(status.trailing_metadata[0][1]) < 6000
    assert told[0].field == "f0"
    assert told[-1].description == f"and {1000 - len(told) + 1} more faults"


def test_who_is_turned_away_by_a_stop_is_told_when_to_come_back() -> None:
    status = translation.status_of(errors.ShuttingDown("the daemon stops"))

    assert detail(status, error_details_pb2.RetryInfo()).retry_delay.seconds == 2


def test_a_failure_of_ours_says_where_its_account_is_and_nothing_else() -> None:
    status = translation.internal("abc123")

    info = detail(status, error_details_pb2.ErrorInfo())
    assert status.code is grpc.StatusCode.INTERNAL
    assert status.details == (
        "the daemon failed at this; its log tells why under request_id abc123"
    )
    assert (info.reason, dict(info.metadata)) == ("INTERNAL", {"request_id": "abc123"})
