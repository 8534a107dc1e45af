"""The log: JSON lines that programs read, text that people read, secrets for nobody."""

import io
import json
import logging
import re
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from ftd import log


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    """Leave logging as it was: pytest has its own handlers there."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    root.handlers = []
    yield
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()
    root.handlers = handlers
    root.setLevel(level)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_line_has_time_level_event_and_what_is_bound() -> None:
    stream = io.StringIO()
    log.configure("json", "info", stream)

    with structlog.contextvars.bound_contextvars(request_id="r1", job_id="j1"):
        structlog.get_logger().info("job_started", attempt=2)

    (line,) = lines(stream)
    assert list(line)[:3] == ["timestamp", "level", "event"]
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "level": "info", "event": "job_started", "attempt": 2, "request_id": "r1", "job_id": "j1"
    }  # fmt: skip


def test_lines_of_libraries_are_lines_like_ours() -> None:
    stream = io.StringIO()
    log.configure("json", "warning", stream)

    logging.getLogger("asyncio").error("Task %s failed", "x")
    logging.getLogger("asyncio").info("not this one")

    (line,) = lines(stream)
    assert (line["event"], line["level"]) == ("Task x failed", "error")


def test_what_is_below_the_level_is_left_out() -> None:
    stream = io.StringIO()
    log.configure("json", "warning", stream)

    structlog.get_logger().info("quiet")

    assert stream.getvalue() == ""


def test_an_exception_is_one_line_with_its_traceback() -> None:
    stream = io.StringIO()
    log.configure("json", "info", stream)

    try:
        raise LookupError("here")
    except LookupError:
        structlog.get_logger().exception("rpc_failed")

    (line,) = lines(stream)
    assert "LookupError: here" in line["exception"]


def test_secrets_are_hidden_at_any_depth() -> None:
    stream = io.StringIO()
    log.configure("json", "info", stream)

    structlog.get_logger().info(
        "call", token="t", metadata={"Authorization": "Bearer t", "x": {"password": "t"}}, ok="o"
    )

    (line,) = lines(stream)
    assert (line["token"], line["ok"]) == ("[hidden]", "o")
    assert line["metadata"] == {"Authorization": "[hidden]", "x": {"password": "[hidden]"}}


def test_a_terminal_gets_text_and_a_pipe_json() -> None:
    terminal, pipe = Terminal(), io.StringIO()

    assert log.configure("auto", "info", terminal)
    structlog.get_logger().info("job_started", attempt=2)
    assert not log.configure("auto", "info", pipe)
    structlog.get_logger().info("job_started", attempt=2)

    assert "job_started" in terminal.getvalue()
    assert not terminal.getvalue().startswith("{")
    assert lines(pipe)[0]["event"] == "job_started"


def test_a_person_reads_a_line_where_a_job_comes_starts_or_ends_and_no_routine() -> None:
    terminal = Terminal()
    log.configure("auto", "info", terminal)
    job = {"job_id": "3f2a9c1b7e60", "name": "ants", "attempt": 1}
    logger = structlog.get_logger()

    logger.info("rpc", method="/GetJob", code="OK", seconds=0.001)
    logger.info("zygote_ready", pid=7)
    logger.info("job_submitted", job_id="3f2a9c1b7e60", name="ants")
    logger.info("job_state_changed", **job, state="starting", reason="")
    logger.info("job_state_changed", **job, state="running", reason="")
    logger.info(
        "job_state_changed", **job, state="failed", reason="bad_data", seconds=31.6, message="Bad."
    )
    logger.info(
        "job_state_changed", **job, state="succeeded", reason="completed", seconds=3.2, message="."
    )
    logger.info("job_finishing", job_id="3f2a9c1b7e60", name="ants", user="ann")
    logger.info("job_deleted", job_id="3f2a9c1b7e60", name="ants", user="ann")
    logger.warning("zygote_ended", pid=7)

    *sentences, warning = terminal.getvalue().splitlines()
    assert all(re.fullmatch(r"\d\d:\d\d:\d\d ants .*", line) for line in sentences)
    assert [line[9:] for line in sentences] == [
        "ants is submitted (3f2a9c1b)",
        "ants starts",
        "ants has failed after 32 s: Bad.",
        "ants has succeeded after 3 s",
        "ants ends after the epoch in progress, as ann asked",
        "ants is deleted by ann",
    ]
    assert "zygote_ended" in warning


def test_a_person_who_asks_for_it_and_every_program_reads_the_access_log() -> None:
    terminal, pipe = Terminal(), io.StringIO()

    for stream, level in ((terminal, "debug"), (pipe, "info")):
        log.configure("auto", level, stream)
        structlog.get_logger().info("rpc", method="/GetJob")

    assert "/GetJob" in terminal.getvalue()
    assert lines(pipe)[0]["event"] == "rpc"
