"""Requests and responses of the scrape server."""

import json
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from aggregator.errors import RegistryError
from aggregator.exposition.accept import negotiate_content_type
from aggregator.observability.logs import get_logger, sanitize_path
from aggregator.scrape.access import NODE_SECRET_HEADER, AccessRefusedError, extract_secret
from aggregator.scrape.guard import parse_ip_address
from aggregator.server.http.forwarded import IpAddress

TIMEOUT_HEADER = "x-prometheus-scrape-timeout-seconds"
MAX_JSON_BODY_BYTES = 1024 * 1024
NO_STORE = {"Cache-Control": "no-store"}
_UNAUTHORIZED_HEADERS = {"WWW-Authenticate": 'Bearer realm="aggregator", Basic realm="aggregator"'}

Handler = Callable[[Request], Awaitable[Response]]

_log = get_logger(__name__)


class RequestRefusedError(Exception):
    """A request that cannot be answered; `code` and the text are for the sender."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class MethodEndpoint:
    """The handlers of one path by method. OPTIONS and other methods are answered with what is allowed."""

    def __init__(self, **handlers: Handler) -> None:
        self._handlers = handlers | ({"HEAD": handlers["GET"]} if "GET" in handlers else {})
        self._allow = ", ".join([*self._handlers, "OPTIONS"])

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        request = Request(scope, receive)
        handler = self._handlers.get(request.method)
        if handler is not None:
            response = await handler(request)
        elif request.method == "OPTIONS":
            response = Response(b"", 200, {"Allow": self._allow, **NO_STORE})
        else:
            response = build_text("Method Not Allowed\n", 405, {"Allow": self._allow})
        await response(scope, receive, send)


def answer_errors(app: ASGIApp) -> ASGIApp:
    """Return the application with a response to each exception."""

    async def app_with_errors(scope: Scope, receive: Receive, send: Send) -> None:
        is_started = False

        async def tracked_send(message: Any) -> None:
            nonlocal is_started
            is_started = True
            await send(message)

        try:
            await app(scope, receive, tracked_send)
        except ClientDisconnect:
            # Nobody reads an answer.
            return
        except Exception as error:  # noqa: BLE001 - every failure gets a response
            if not is_started:
                await _build_error_response(error, scope["path"])(scope, receive, send)

    return app_with_errors


def _build_error_response(error: Exception, path: str) -> Response:
    match error:
        case AccessRefusedError(status=401):
            return build_text(str(error), 401, _UNAUTHORIZED_HEADERS)
        case AccessRefusedError():
            return build_text(f"{error}\n", error.status)
        case RequestRefusedError():
            return build_json({"code": error.status, "message": str(error)}, error.status)
        case RegistryError():
            _log.error("registration failed", reason=str(error))
            return build_text("the registration cannot be stored\n", 503)
        case _:
            _log.error("request failed", path=sanitize_path(path), exc_info=error)
            return build_text("Internal Server Error\n", 500)


def build_text(text: str, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """Return a response with plain text."""
    return PlainTextResponse(text, status, {**NO_STORE, **(headers or {})})


def build_json(document: object, status: int = 200) -> Response:
    """Return a response with JSON."""
    body = json.dumps(document, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode("utf-8", "replace")
    return Response(body, status, NO_STORE, "application/json")


def build_page(request: Request, body: bytes) -> Response:
    """Return a response with a page of metrics."""
    content_type = negotiate_content_type(request.headers.get("accept", ""))
    return Response(body, 200, {**NO_STORE, "Content-Type": content_type})


def read_peer(request: Request) -> IpAddress | None:
    """Return the address of the client, None if it is unknown."""
    return parse_ip_address(request.client.host) if request.client is not None else None


def read_secret(request: Request) -> str | None:
    """Return the secret that the client sent."""
    return extract_secret(request.headers.get("authorization"), request.headers.get(NODE_SECRET_HEADER))


async def read_body(request: Request, max_bytes: int) -> bytes:
    """Return the body of a request; raise RequestRefusedError as soon as it is too large."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > max_bytes:
            raise RequestRefusedError(413, f"the body must have at most {max_bytes} bytes")
    return bytes(body)
