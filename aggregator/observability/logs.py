"""The log: one line per event on stderr, with a constant message and fields, as text on a terminal, otherwise JSON."""

import io
import logging
import re
import sys
from contextvars import ContextVar
from typing import TextIO

import structlog

from aggregator.observability.redaction import PATTERN_REDACTOR, Redactor

# These libraries log every URL with its PromQL, every start and every stop.
_LOGGERS_FROM_WARNING = ("asyncio", "grpc", "requests", "urllib3")
# These log a warning for every malformed request, so that any client could fill the log.
_LOGGERS_FROM_ERROR = ("mcp", "uvicorn", "uvicorn.error")

# The request and the trace that a line belongs to; tasks and threads inherit them.
REQUEST_ID: ContextVar[bytes] = ContextVar("request_id", default=b"")
TRACE_ID: ContextVar[bytes] = ContextVar("trace_id", default=b"")

# Characters that control a terminal, change the direction of text, or end a line for some readers. JSON escapes the
# other control characters; a line of text contains some of its own, for colors.
_UNSAFE_CHARACTERS = re.compile("[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]")
_C0_CHARACTERS = re.compile("[\x00-\x1f]")
_C0_CHARACTERS_WITHOUT_LINE_FEED = re.compile("[\x00-\x09\x0b-\x1f]")
_MAX_PATH_CHARACTERS = 200
_MAX_SEGMENT_CHARACTERS = 40


def configure_logging(level: str, log_format: str | None, redactor: Redactor = PATTERN_REDACTOR) -> None:
    """Write messages of this program and its libraries, from `level` on, to stderr without secrets."""
    shared_processors: list[structlog.typing.Processor] = [
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
        _add_context_ids,
    ]
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared_processors,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *build_renderers(log_format, is_terminal=sys.stderr.isatty()),
                RedactingProcessor(redactor),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    _set_library_log_levels()
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared_processors,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )


def build_renderers(log_format: str | None, *, is_terminal: bool) -> "list[structlog.typing.Processor]":
    """Return the processors that render an event as text or JSON; without a format, text only on a terminal."""
    if log_format == "text" or (log_format is None and is_terminal):
        renderer = structlog.dev.ConsoleRenderer(
            colors=is_terminal, exception_formatter=_write_plain_traceback, repr_native_str=True
        )
        return [_escape_event, renderer]
    return [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(ensure_ascii=False)]


def _escape_event(_logger: object, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Escape control characters in a message, which the renderer writes as it is; it quotes the other values."""
    event["event"] = _escape(_C0_CHARACTERS, str(event["event"]))
    return event


def _write_plain_traceback(stream: TextIO, exc_info: structlog.typing.ExcInfo) -> None:
    """Write a traceback without the values of variables, which may be secrets, and without control characters."""
    traceback = io.StringIO()
    structlog.dev.plain_traceback(traceback, exc_info)
    stream.write(_escape(_C0_CHARACTERS_WITHOUT_LINE_FEED, traceback.getvalue()))


def _set_library_log_levels() -> None:
    for name in _LOGGERS_FROM_WARNING:
        logging.getLogger(name).setLevel(logging.WARNING)
    for name in _LOGGERS_FROM_ERROR:
        logging.getLogger(name).setLevel(logging.ERROR)


def get_logger(name: str) -> structlog.stdlib.BoundLogger:
    """Return the logger of a module."""
    bound: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger(name)
    return bound


class RedactingProcessor:
    """The last processor of every line: removes secrets, and escapes unsafe characters.

    The program itself logs no secrets, and text of upstreams is already redacted; exceptions of libraries may contain
    some.
    """

    def __init__(self, redactor: Redactor) -> None:
        self._redactor = redactor

    def __call__(self, _logger: object, _method: str, line: object) -> str:
        """Return the line without secrets and unsafe characters."""
        return redact_line(self._redactor, str(line))


def redact_line(redactor: Redactor, line: str) -> str:
    """Return the line without secrets and unsafe characters."""
    return _escape(_UNSAFE_CHARACTERS, redactor.redact(line))


def _escape(characters: re.Pattern[str], text: str) -> str:
    return characters.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def sanitize_path(path: str) -> str:
    """Return a path for the log: truncated, without control characters and long segments, which may be tokens."""
    segments = (
        part if len(part) <= _MAX_SEGMENT_CHARACTERS else f"({len(part)} characters)" for part in path.split("/")
    )
    sanitized = "/".join(segments)[:_MAX_PATH_CHARACTERS]
    return "".join(character if character.isprintable() else "?" for character in sanitized)


def _add_context_ids(_logger: object, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    for name, variable in (("request_id", REQUEST_ID), ("trace_id", TRACE_ID)):
        if (value := variable.get()) and name not in event:
            event[name] = value.decode("ascii")
    return event
