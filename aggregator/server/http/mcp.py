"""POST /mcp: the tools for language models over Streamable HTTP, behind the same guard as all other paths.

A request is one message and its response is JSON: there are no sessions and no streams, so that every replica can
answer every request.
"""

import asyncio
from collections.abc import Callable, Collection
from functools import partial
from typing import TYPE_CHECKING, Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from aggregator.errors import MethodNotAllowedError
from aggregator.mcp.api import ApiRequest, ApiResponse
from aggregator.server.auth.guard import Access
from aggregator.server.http.json_body import MAX_BODY_BYTES, read_body
from aggregator.server.http.responses import HttpResponse, encode_json_error

if TYPE_CHECKING:
    # At run time only with the first request, and on a thread: the libraries take 0.8 s and 20 MiB.
    from mcp.server.streamable_http_manager import StreamableHTTPSessionManager

# Builds what handles the messages, for the application that the tools ask. Called on a thread.
ManagerFactory = Callable[[ASGIApp], "StreamableHTTPSessionManager"]

MCP_METHODS = ("POST",)
FORBIDDEN_ORIGIN_MESSAGE = "scripts of this origin are not allowed; CORS_ORIGINS lists those that are"

_HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}


class McpApp:
    """Answers the messages of MCP clients. The tools ask `api`, the application behind the guard."""

    def __init__(
        self, api: ASGIApp, allowed_origins: Collection[str], build_manager: "ManagerFactory | None" = None
    ) -> None:
        self._allowed_origins = allowed_origins
        self._build_manager = partial(build_manager or _build_manager, api)
        self._starting: asyncio.Task[StreamableHTTPSessionManager] | None = None
        self._serving: asyncio.Task[None] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; raise a RequestError if it is invalid."""
        if scope["method"] not in MCP_METHODS:
            raise MethodNotAllowedError(f"method {scope['method'][:20]} is not allowed here", allowed=MCP_METHODS)
        if not self._is_origin_allowed(Headers(scope=scope).get("origin")):
            await HttpResponse(*encode_json_error(403, FORBIDDEN_ORIGIN_MESSAGE))(scope, receive, send)
            return
        body = await read_body(Request(scope, receive))
        manager = await self._find_manager()
        await manager.handle_request(scope, _replay(body, receive), _add_headers(send))

    def _is_origin_allowed(self, origin: str | None) -> bool:
        """Return whether a request is from a page that may send it, or from no page.

        A page of any site could otherwise use the browser of a person who can reach the gateway, by changing the
        address of its own host name (DNS rebinding).
        """
        return origin is None or "*" in self._allowed_origins or origin in self._allowed_origins

    async def _find_manager(self) -> "StreamableHTTPSessionManager":
        if self._starting is None or self._has_ended(self._starting):
            # The event loop logs the error of what ended later, which no message has received.
            self._starting = asyncio.create_task(self._start())
        return await asyncio.shield(self._starting)

    def _has_ended(self, starting: "asyncio.Task[StreamableHTTPSessionManager]") -> bool:
        """Return whether a start failed, such as for a lack of memory, or what it started has ended."""
        if not starting.done():
            return False
        is_serving = self._serving is not None and not self._serving.done()
        return starting.exception() is not None or not is_serving

    async def _start(self) -> "StreamableHTTPSessionManager":
        manager = await asyncio.to_thread(self._build_manager)
        is_started = asyncio.Event()
        # Until the event loop ends: requests in progress are awaited by the server that received them.
        self._serving = asyncio.create_task(_serve(manager, is_started), name="mcp")
        starting = asyncio.create_task(is_started.wait())
        await asyncio.wait((self._serving, starting), return_when=asyncio.FIRST_COMPLETED)
        if self._serving.done():
            starting.cancel()
            # Raises the error.
            self._serving.result()
        return manager


def _build_manager(api: ASGIApp) -> "StreamableHTTPSessionManager":
    from mcp.server.streamable_http_manager import StreamableHTTPSessionManager  # noqa: PLC0415 - see above

    from aggregator.mcp.server import build_mcp_server  # noqa: PLC0415 - see above

    server = build_mcp_server(lambda request: InProcessApi(api, request.scope["state"]["access"]))
    return StreamableHTTPSessionManager(
        server, json_response=True, stateless=True, max_request_body_size=MAX_BODY_BYTES
    )


async def _serve(manager: "StreamableHTTPSessionManager", is_started: asyncio.Event) -> None:
    async with manager.run():
        is_started.set()
        await asyncio.get_running_loop().create_future()


class InProcessApi:
    """The API of this process, for a caller whose token was checked."""

    def __init__(self, api: ASGIApp, access: Access) -> None:
        self._api = api
        self._access = access

    async def send(self, request: ApiRequest) -> ApiResponse:
        """Return the response, whatever its status."""
        import httpx2  # noqa: PLC0415 - see above

        transport = httpx2.ASGITransport(self._call, raise_app_exceptions=False)
        method = "GET" if request.body is None else "POST"
        response = await transport.handle_async_request(
            httpx2.Request(method, f"http://gateway{request.target}", content=request.body)
        )
        is_complete = response.headers.get("X-Topology-Complete") != "false"
        return ApiResponse(response.status_code, is_complete, await response.aread())

    async def _call(self, scope: Any, receive: Receive, send: Send) -> None:
        await self._api({**scope, "state": {"access": self._access}}, receive, send)


def _replay(body: bytes, receive: Receive) -> Receive:
    """Return the `receive` of a request whose body was read."""
    is_received = False

    async def receive_again() -> Message:
        nonlocal is_received
        if is_received:
            return await receive()
        is_received = True
        return {"type": "http.request", "body": body, "more_body": False}

    return receive_again


def _add_headers(send: Send) -> Send:
    async def send_with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            MutableHeaders(scope=message).update(_HEADERS)
        await send(message)

    return send_with_headers
