"""The daemon's log: JSON lines on stderr, or text for a person at a terminal."""

import logging
import sys
from collections.abc import Mapping, MutableMapping
from typing import Any, TextIO

import structlog

# Parts of names whose values nobody may read in a log.
_SECRET = ("token", "secret", "password", "authorization", "credential", "cookie", "environ")
_HIDDEN = "[hidden]"


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
    render = [_text()] if is_text else [_in_order, structlog.processors.JSONRenderer()]
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *render],
        )
    )
    level = logging.getLevelNamesMapping()[log_level.upper()]
    logging.basicConfig(handlers=[handler], level=level, force=True)
    logging.getLogger("alembic").setLevel(logging.WARNING)
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
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


def _text() -> structlog.dev.ConsoleRenderer:
    return structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
