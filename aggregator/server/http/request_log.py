"""What surrounds a small application: request IDs, counting, the log of requests, and a response to every failure.

The gateway has `middleware.py`, which also knows its paths, tokens and traces.
"""

from collections.abc import Callable
from time import perf_counter

from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from aggregator.observability.instrumentation import REQUEST_ID_HEADER, choose_request_id, extract_request_id
from aggregator.observability.logs import REQUEST_ID, get_logger, sanitize_path

# Other methods are counted together, because clients can invent them.
_COUNTED_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"})
# No response was sent, as nginx counts it.
_NO_RESPONSE_STATUS = 499

_log = get_logger(__name__)

# Called with handler, method and status of a request that has ended.
RecordRequest = Callable[[str, str, int], None]


class RequestLogMiddleware:
    """Gives each request an ID, counts it when it ends, and logs it at level debug.

    `find_handler` returns the handler of a path, one of few values. A request whose handling raises an exception gets
    500, and the exception is logged.
    """

    def __init__(self, app: ASGIApp, find_handler: Callable[[str], str], record_request: RecordRequest) -> None:
        self._app = app
        self._find_handler = find_handler
        self._record_request = record_request

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        started = perf_counter()
        request_id = choose_request_id(extract_request_id(scope["headers"]))
        REQUEST_ID.set(request_id)
        status = 0

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                own_headers = [(REQUEST_ID_HEADER, request_id), (b"x-content-type-options", b"nosniff")]
                message["headers"] = [*message["headers"], *own_headers]
            await send(message)

        try:
            await self._app(scope, receive, send_with_headers)
        except Exception:  # noqa: BLE001 - every failure gets a response
            _log.exception("request failed", path=sanitize_path(scope["path"]))
            if not status:
                await PlainTextResponse("internal error, see the log\n", 500)(scope, receive, send_with_headers)
        finally:
            self._log_request(scope, status or _NO_RESPONSE_STATUS, perf_counter() - started)

    def _log_request(self, scope: Scope, status: int, seconds: float) -> None:
        method = scope["method"] if scope["method"] in _COUNTED_METHODS else "other"
        self._record_request(self._find_handler(scope["path"]), method, status)
        client = scope.get("client")
        _log.debug(
            "request completed",
            method=method,
            path=sanitize_path(scope["path"]),
            status=status,
            duration_ms=round(1000 * seconds, 1),
            client=client[0] if client else None,
        )
