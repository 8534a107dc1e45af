"""What `Job.check()` says of a job that is no success."""

import pytest

import ftctl
from finetuned.v1 import job_pb2
from ftctl import wire


def job(state, *, reason="", **outcome):
    message = job_pb2.Job(
        id="3f2a", spec=job_pb2.JobSpec(name="ants-bees", recipe_json="{}"),
        state=getattr(job_pb2, f"JOB_STATE_{state}"), reason=reason,
    )  # fmt: skip
    if outcome:
        message.outcome.CopyFrom(job_pb2.JobOutcome(**outcome))
    return wire.job(message)


def complaint(job):
    with pytest.raises(ftctl.JobFailed) as caught:
        job.check()
    assert caught.value.job_id == "3f2a"
    return str(caught.value)


def test_a_success_is_returned():
    ended = job("SUCCEEDED", message="trained 2 epochs")

    assert ended.check() is ended


def test_a_failure_is_told_with_its_remedy():
    failed = job("FAILED", message="a.jpg cannot be read", remedy="repair or delete the file")

    assert complaint(failed) == (
        "job ants-bees failed: a.jpg cannot be read\nrepair or delete the file"
    )


def test_the_first_faults_of_a_plan_are_told_and_the_others_counted():
    faults = [
        job_pb2.RecipeFault(field=f"train.groups[{number}]", description="matches nothing")
        for number in range(7)
    ]
    told = "The plan found 7 faults in the recipe."

    failed = job("FAILED", message=told, remedy="Mend the job file.", faults=faults)

    assert complaint(failed).splitlines() == [
        f"job ants-bees failed: {told}",
        *(f"  train.groups[{number}]: matches nothing" for number in range(5)),
        "  and 2 more",
        "Mend the job file.",
    ]
    assert len(complaint(job("FAILED", message=told, faults=faults[:5])).splitlines()) == 6


@pytest.mark.parametrize(
    ("standing", "told"),
    [
        (job("CANCELLED", message="The job was cancelled by its user."), "was cancelled"),
        (job("RUNNING"), "has not ended: it is running"),
        (job("QUEUED", reason="waits for pretrain"),
         "has not ended: it is queued (waits for pretrain)"),
        (job("UNSPECIFIED"),
         "has not ended: it is in a state that this client does not know"),
        (job("FAILED"), "failed"),
    ],
)  # fmt: skip
def test_what_is_no_failure_is_told_as_what_it_is(standing, told):
    assert complaint(standing) == f"job ants-bees {told}"
