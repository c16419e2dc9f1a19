"""The log: one line an event on stderr, a constant message and its fields; JSON unless a person reads along."""

import logging
import sys

import structlog

# These libraries tell of their own doings what nobody here needs: every URL with its PromQL, every start and stop.
_CHATTY = ("asyncio", "grpc", "requests", "urllib3")
# uvicorn warns of every malformed request, so that any stranger could fill the log.
_TALKATIVE = ("uvicorn", "uvicorn.error")

# gRPC tells with a traceback of each client that went away before it had its answer.
_GONE = "ExecuteBatchError raised in core"


def configure(level: str, form: str | None) -> None:
    """Send this program's and its libraries' messages of at least `level` to stderr."""
    on_terminal = sys.stderr.isatty()
    as_text = form == "text" or (form is None and on_terminal)
    shared: list[structlog.typing.Processor] = [
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
    ]
    renderer: list[structlog.typing.Processor] = (
        [structlog.dev.ConsoleRenderer(colors=on_terminal)]
        if as_text
        else [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(ensure_ascii=False)]
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *renderer],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for name in _CHATTY:
        logging.getLogger(name).setLevel(logging.WARNING)
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(logging.ERROR)
    logging.getLogger("grpc._cython.cygrpc").addFilter(_is_no_client_gone)
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


def _is_no_client_gone(record: logging.LogRecord) -> bool:
    return not str(record.msg).startswith(_GONE)


def logger(name: str) -> structlog.stdlib.BoundLogger:
    """Return a logger for one part of the program."""
    bound: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger(name)
    return bound
