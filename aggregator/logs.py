"""The log: one line an event on stderr, a constant message and its fields; JSON unless a person reads along."""

import logging
import re
import sys
from contextvars import ContextVar

import structlog

from aggregator.secrets import NONE_KNOWN, Secrets

# These libraries tell of their own doings what nobody here needs: every URL with its PromQL, every start and stop.
_CHATTY = ("asyncio", "grpc", "requests", "urllib3")
# uvicorn warns of every malformed request, so that any stranger could fill the log.
_TALKATIVE = ("uvicorn", "uvicorn.error")

# What gRPC tells with a traceback, and any stranger can make it tell: that a client went away before it had its
# answer, and metadata that is no UTF-8, which it repeats, tokens included.
_OF_STRANGERS = ("ExecuteBatchError raised in core", "Invalid encoding on")
_NOT_RETRIEVED = "Task exception was never retrieved"

# Which request and which trace a line belongs to: what runs for them inherits these.
REQUEST_ID: ContextVar[bytes] = ContextVar("request_id", default=b"")
TRACE_ID: ContextVar[bytes] = ContextVar("trace_id", default=b"")

# What a terminal takes as a command, what turns text around, and what some readers of lines take for the end of one.
# All others that could do harm are escaped in JSON by themselves.
_UNSHOWN = re.compile("[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]")
_LONGEST_PATH = 200
_LONGEST_SEGMENT = 40


def configure(level: str, form: str | None, secrets: Secrets = NONE_KNOWN) -> None:
    """Send this program's and its libraries' messages of at least `level` to stderr, with stars for all secrets."""
    shared: list[structlog.typing.Processor] = [
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
        _add_ids,
    ]
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *_renderer(form), Mask(secrets)],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    _quieten_libraries()
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )


def _renderer(form: str | None) -> "list[structlog.typing.Processor]":
    """Return what makes a line of text or of JSON from an event; without a form, text for a terminal."""
    on_terminal = sys.stderr.isatty()
    if form == "text" or (form is None and on_terminal):
        # The usual traceback on a terminal shows what variables hold, secrets included.
        plain = structlog.dev.plain_traceback
        return [structlog.dev.ConsoleRenderer(colors=on_terminal, exception_formatter=plain)]
    return [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(ensure_ascii=False)]


def _quieten_libraries() -> None:
    for name in _CHATTY:
        logging.getLogger(name).setLevel(logging.WARNING)
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(logging.ERROR)
    logging.getLogger("grpc._cython.cygrpc").addFilter(_is_ours_to_tell)
    logging.getLogger("asyncio").addFilter(_is_no_odd_path)


def _is_ours_to_tell(record: logging.LogRecord) -> bool:
    return not str(record.msg).startswith(_OF_STRANGERS)


def _is_no_odd_path(record: logging.LogRecord) -> bool:
    """Return False for the call's path that broke grpcio, told once more by asyncio: `server.grpc_lasting` tells it."""
    error = record.exc_info[1] if record.exc_info else None
    return not (str(record.msg).startswith(_NOT_RETRIEVED) and isinstance(error, UnicodeDecodeError))


def logger(name: str) -> structlog.stdlib.BoundLogger:
    """Return a logger for one part of the program."""
    bound: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger(name)
    return bound


class Mask:
    """The last step of every line: whatever got into it, an exception's text included, secrets leave as stars.

    No part of the program logs one on purpose, and what upstreams say has none any more when it gets here; a library's
    exception may have one.
    """

    def __init__(self, secrets: Secrets) -> None:
        self._secrets = secrets

    def __call__(self, _logger: object, _method: str, line: object) -> str:
        """Return the line without secrets, and so that it is one line to whatever reads it."""
        return _UNSHOWN.sub(lambda found: f"\\u{ord(found[0]):04x}", self._secrets.hide(str(line)))


def shown_path(path: str) -> str:
    """Return a path as a line may show it: bounded, without control characters, long segments left out.

    A segment so long is no name that a person gave: it is a token, or somebody's attempt at something.
    """
    segments = (part if len(part) <= _LONGEST_SEGMENT else f"({len(part)} characters)" for part in path.split("/"))
    shown = "/".join(segments)[:_LONGEST_PATH]
    return "".join(letter if letter.isprintable() else "?" for letter in shown)


def _add_ids(_logger: object, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    for name, variable in (("request_id", REQUEST_ID), ("trace_id", TRACE_ID)):
        if (value := variable.get()) and name not in event:
            event[name] = value.decode("ascii")
    return event
