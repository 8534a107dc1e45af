"""Narrow terminals: whole columns go where there is no room, and nothing is broken in two."""

import json

import pytest

from finetuned.v1 import device_pb2, job_pb2
from ftctl import devicewire, wire
from ftctl.cli import doctor
from ftctl.cli.checkup import Check, Verdict
from ftctl.datasets import Dataset
from ftctl.models import ArtifactFile
from ftctl.view import artifacts, datasets, devices, grid, plan, table
from ftctl.view.live import LiveView
from tests.fakes.scripted_daemon import START, plan_json
from tests.fakes.views import ID, NOW, RECIPE, drawn, terminal, told

FOLDER = f"/var/lib/finetuned/runs/{ID}/1"


def titles(line):
    return " ".join(line.plain.split())


@pytest.mark.parametrize(
    ("width", "kept"),
    [
        (60, "id name state progress best % age"),
        (48, "id name state progress best %"),
        (40, "id name state best %"),
        (30, "id name state"),
    ],
)
def test_a_list_of_jobs_is_spared_columns_before_one_is_dots(width, kept):
    spec = job_pb2.JobSpec(name="a-rather-long-name", recipe_json="{}")
    message = job_pb2.Job(
        id=ID, spec=spec, create_time=START, state=job_pb2.JOB_STATE_CANCELLED,
        progress=job_pb2.Progress(epoch=4, epochs=25, step=200, steps=1525),
    )  # fmt: skip

    lines = table.lines([wire.job(message)], now=NOW, width=width)

    assert titles(lines[0]) == kept
    assert max(line.cell_len for line in lines) <= width
    assert not lines[1].plain.endswith("…")


def test_a_list_of_data_sets_keeps_names_and_sizes():
    made = Dataset(
        name="ants-bees", user="me", digest="283d96713c2b" * 5, files=398, size_bytes=47_000_000,
        folders=(), create_time=START, used_by=(),
    )  # fmt: skip

    wide, narrow = (datasets.lines([made], now=NOW, width=width)[0] for width in (80, 40))

    assert titles(wide) == "name files size digest age"
    assert titles(narrow) == "name files size age"


def test_the_devices_keep_their_memory_in_figures():
    gpu = device_pb2.Device(
        id="gpu0", name="H200", state=device_pb2.DEVICE_STATE_FREE,
        memory_total_bytes=139 * 2**30, memory_used_bytes=2**30,
    )  # fmt: skip

    heading, row, *_ = devices.lines([devicewire.device(gpu)], terminal(40))

    assert titles(heading) == "device name state util"
    assert row.plain.split()[3:6] == ["1", "/", "139"]


def test_rows_without_a_width_keep_every_column():
    rows = [["a" * 50, "b" * 50]]

    assert grid.lines(rows, aligns="<<", spare=[1])[0].plain == f"{'a' * 50}  {'b' * 50}"


def test_where_rates_come_from_is_left_out_before_the_table_of_groups_is():
    made = json.loads(plan_json())
    group = {"tensors": 9, "parameters": 54_272, "weight_decay": 0.0}
    made["groups"] = [
        {**group, "name": f"all (depth {at})", "lr": 1e-3 * 0.75**at, "lr_origin": f"0.001 x {at}"}
        for at in (9, 10)
    ]

    wide, narrow = (drawn(plan.card(made, RECIPE, terminal(size)), size) for size in (80, 70))

    assert "all (depth 10)        9      54,272  5.63135e-05 = 0.001 x 10      0\n" in wide
    assert "all (depth 10)        9      54,272  5.63135e-05      0\n" in narrow


def test_the_groups_of_a_plan_are_told_in_sentences_where_rows_have_no_room():
    text = drawn(plan.card(json.loads(plan_json()), RECIPE, terminal(40)), 40)

    assert max(map(len, text.splitlines())) <= 40
    assert " trains    head: 2 tensors, 2,562\n           parameters, lr 0.001, decay 0\n" in text


@pytest.mark.parametrize(
    ("width", "begins"),
    [(40, " epoch 12/25  step 732/1,525  1"), (30, " epoch 12/25  1"), (12, " 1:")],
)
async def test_the_moving_line_says_the_time_that_is_left(width, begins):
    view = LiveView(name="ants-bees", job_id=ID, recipe=RECIPE, console=terminal(width))
    events = await told(epochs=25)
    for event in events[: len(events) // 2]:
        view.standing.apply(event)

    out = terminal(width)
    out.print(view.footer())

    line = out.file.getvalue().splitlines()[-1]
    assert line.startswith(begins)
    assert line.endswith(" left")


def test_where_files_lie_is_said_once_on_a_terminal_and_in_each_line_of_a_pipe():
    found = [
        ArtifactFile(kind=kind, name=path, path=f"{FOLDER}/{path}", size_bytes=size)
        for kind, path, size in (
            ("model", "artifacts/model.safetensors", 9_000_000),
            ("checkpoint/best", "checkpoints/best.safetensors", 34_000),
        )
    ]
    pipe = terminal(80)
    pipe._force_terminal = False

    assert drawn(artifacts.lines(found, console=terminal(80)), 80) == (
        "kind                size  file\n"
        "model            8.6 MiB  artifacts/model.safetensors\n"
        "checkpoint/best   33 KiB  checkpoints/best.safetensors\n"
        f"in {FOLDER}\n"
    )
    assert artifacts.lines(found, console=pipe)[1].plain.endswith(
        f"  {FOLDER}/artifacts/model.safetensors"
    )


def test_a_check_of_the_doctor_goes_on_below_indented():
    check = Check(
        verdict=Verdict.WARNING, name="clock", told="41 s behind the daemon's",
        remedy="let both machines keep time (`timedatectl set-ntp true`)",
    )  # fmt: skip

    assert drawn(doctor.lines(check, terminal(40)), 40) == (
        "warning  clock: 41 s behind the daemon's\n"
        "         let both machines keep time\n"
        "         (`timedatectl set-ntp true`)\n"
    )
