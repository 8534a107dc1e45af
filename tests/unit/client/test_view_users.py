"""Whose jobs are: told where it is not always the same."""

import pytest

from finetuned.v1 import job_pb2
from ftctl import wire
from ftctl.devices import DeviceJob
from ftctl.tables import Jobs
from ftctl.view import card, devices, table
from tests.fakes.views import ID, NOW, drawn, terminal


def of(user):
    spec = job_pb2.JobSpec(name=f"{user}-job", recipe_json="{}")
    state = job_pb2.JOB_STATE_QUEUED
    return wire.job(job_pb2.Job(id=ID, spec=spec, user=user, state=state, reason="waits for a GPU"))


def test_a_list_tells_users_where_there_are_several():
    alone = [line.plain for line in table.lines([of("alice")] * 2, now=NOW, width=None)]
    shared = [line.plain for line in table.lines([of("alice"), of("bob")], now=NOW, width=None)]

    assert "user" not in alone[0]
    assert [line.split()[:3] for line in shared] == [
        ["id", "name", "user"], [ID[:8], "alice-job", "alice"], [ID[:8], "bob-job", "bob"],
    ]  # fmt: skip


@pytest.mark.parametrize("width", [60, 80, 160])
def test_a_list_with_users_keeps_one_line_per_job(width):
    jobs = [of("alice"), of("u" * 63)]

    shown = drawn(table.lines(jobs, now=NOW, width=width), width).splitlines()

    assert len(shown) == 3
    assert all(len(line) <= width for line in shown)


def test_a_card_and_a_notebook_tell_whose_a_job_is():
    assert " user      alice\n" in drawn(card.lines(of("alice"), now=NOW, console=terminal(80)), 80)
    assert "alice" in of("alice")._repr_html_()
    assert "bob" in Jobs([of("alice"), of("bob")])._repr_html_()
    assert "user" not in repr(Jobs([of("alice")]))


def test_a_job_of_another_user_on_a_device_has_no_name():
    assert devices._job(DeviceJob(job_id="", name="", memory_bytes=2**30)) == (
        "another user's job 1 GiB"
    )
