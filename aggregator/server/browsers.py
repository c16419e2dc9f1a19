"""What browsers are told so that pages of other origins may ask: only those that are listed."""

from collections.abc import MutableMapping, Sequence
from typing import Any

from starlette.datastructures import MutableHeaders
from starlette.middleware.cors import CORSMiddleware

from aggregator.server.asgi import App, Receive, Scope, Send

# What pages may send besides what browsers let them send anyway, and what they may read of an answer.
ASKED = ("Authorization", "Cache-Control", "If-None-Match")
TOLD = ("Age", "ETag", "Retry-After", "X-Request-Id", "X-Topology-Complete")
# How long a browser remembers what it may do.
REMEMBERED_SECONDS = 600


def browsers(app: App, origins: Sequence[str]) -> App:
    """Return the application, its answers open to pages of these origins; without any, as it is.

    What a browser asks beforehand is answered here, without a token, as it bears none: it tells only what is allowed.
    """
    if not origins:
        return app
    with_cors = CORSMiddleware(
        app,
        allow_origins=origins,
        allow_methods=("GET", "HEAD", "POST"),
        allow_headers=ASKED,
        expose_headers=TOLD,
        max_age=REMEMBERED_SECONDS,
    )

    async def shared(scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                # The answer to what is asked beforehand does not come from us.
                MutableHeaders(scope=message).setdefault("X-Content-Type-Options", "nosniff")
            await send(message)

        await with_cors(scope, receive, send_with_headers)

    return shared
