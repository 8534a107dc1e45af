"""The daemon's log: JSON lines on stderr, or text for a person at a terminal."""

import logging
import sys
from collections.abc import Callable, Mapping, MutableMapping
from datetime import datetime
from typing import Any, TextIO

import structlog

# Parts of names whose values nobody may read in a log.
_SECRET = ("token", "secret", "password", "authorization", "credential", "cookie", "environ")
_HIDDEN = "[hidden]"
_ROUTINE = ("rpc", "zygote_ready", "attempt_adopted")
_TOLD = {
    "job_finishing": "{name} ends after the epoch in progress, as {user} asked",
    "job_deleted": "{name} is deleted by {user}",
    "dataset_pushed": "data set {name} of {user} is pushed",
    "dataset_deleted": "data set {name} of {user} is deleted by {by}",
    "metrics_served": "metrics are at http://{address}/metrics",
}
_ENDED = {"failed": "has failed", "cancelled": "was cancelled"}


def configure(log_format: str, log_level: str, stream: TextIO = sys.stderr) -> bool:
    """Send all log lines to a stream, those of libraries too; return True if they are text."""
    is_text = log_format == "text" or (log_format == "auto" and stream.isatty())
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        hide_secrets,
    ]
    level = logging.getLevelNamesMapping()[log_level.upper()]
    render = [_for_people()] if is_text else [_in_order, structlog.processors.JSONRenderer()]
    calm = [_without_routine] if is_text and level > logging.DEBUG else []
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *render],
        )
    )
    logging.basicConfig(handlers=[handler], level=level, force=True)
    logging.getLogger("alembic").setLevel(logging.WARNING)
    structlog.configure(
        processors=[*shared, *calm, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.stdlib.LoggerFactory(),
    )
    return is_text


def hide_secrets(_logger: Any, _method: str, line: MutableMapping[str, Any]) -> Any:
    """Take out values whose names say that they are secret, at any depth."""
    return _without_secrets(line)


def _without_secrets(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: _HIDDEN
        if any(part in str(name).lower() for part in _SECRET)
        else _without_secrets(value)
        if isinstance(value, Mapping)
        else value
        for name, value in fields.items()
    }


def _in_order(_logger: Any, _method: str, line: MutableMapping[str, Any]) -> Any:
    first = {name: line.pop(name) for name in ("timestamp", "level", "event") if name in line}
    return {**first, **line}


def _without_routine(_logger: Any, _method: str, line: MutableMapping[str, Any]) -> Any:
    """Leave out what a person who watches the daemon does not want to read."""
    is_step = line["event"] == "job_state_changed" and line["state"] in ("running", "cancelling")
    if is_step or line["event"] in _ROUTINE:
        raise structlog.DropEvent
    return line


def _for_people() -> Callable[..., Any]:
    """Return a renderer: a sentence of what happens to jobs and data, else time and fields."""
    fields = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)

    def render(logger: Any, method: str, line: MutableMapping[str, Any]) -> Any:
        sentence = _sentence(line)
        if sentence is None:
            return fields(logger, method, line)
        time = datetime.fromisoformat(line["timestamp"]).astimezone()
        return f"{time:%H:%M:%S} {sentence}"

    return render


def _sentence(line: Mapping[str, Any]) -> str | None:
    name, state = line.get("name"), line.get("state")
    match line["event"], state:
        case "job_submitted", _:
            return f"{name} is submitted ({line['job_id'][:8]})"
        case "job_state_changed", "starting":
            again = f", attempt {line['attempt']}" if line["attempt"] > 1 else ""
            return f"{name} starts{again}"
        case "job_state_changed", "queued":
            return f"{name} goes back into the queue: {line['reason']}"
        case "job_state_changed", "succeeded":
            return f"{name} has succeeded after {line['seconds']:.0f} s"
        case "job_state_changed", "failed" | "cancelled":
            return f"{name} {_ENDED[state]} after {line['seconds']:.0f} s: {line['message']}"
        case event, _ if event in _TOLD:
            return _TOLD[event].format_map(line)
        case _:
            return None
