"""/metrics: what the telemetry counts, in the form that the scraper asks for."""

import asyncio
from collections.abc import MutableMapping
from typing import Any

from prometheus_client.exposition import choose_encoder

from aggregator.server.http_front import Receive, Scope, Send
from aggregator.telemetry import Telemetry

PATH = "/metrics"
_LONGEST_ACCEPT = 1000


async def exposition(telemetry: Telemetry, accept: str) -> tuple[bytes, str]:
    """Return the metrics and their Content-Type: OpenMetrics for who asks for it, else Prometheus' text format."""
    encode, content_type = choose_encoder(accept[:_LONGEST_ACCEPT])
    # A thousand series take some milliseconds, which requests need not wait for.
    return await asyncio.to_thread(encode, telemetry.registry), content_type


class MetricsApp:
    """The ASGI application of METRICS_PORT: /metrics, and nothing else."""

    def __init__(self, telemetry: Telemetry) -> None:
        self._telemetry = telemetry

    async def __call__(self, scope: Scope, _receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        if scope["path"] != PATH:
            await _answer(send, 404, b"only /metrics is here\n", "text/plain; charset=utf-8")
        elif scope["method"] not in ("GET", "HEAD"):
            await _answer(send, 405, b"only GET and HEAD\n", "text/plain; charset=utf-8", [(b"allow", b"GET, HEAD")])
        else:
            accept = b",".join(value for name, value in scope["headers"] if name == b"accept").decode("latin-1")
            body, content_type = await exposition(self._telemetry, accept)
            await _answer(send, 200, body, content_type)


async def _answer(
    send: Send, status: int, body: bytes, content_type: str, more: list[tuple[bytes, bytes]] | None = None
) -> None:
    headers = [
        (b"content-type", content_type.encode()),
        (b"content-length", b"%d" % len(body)),
        (b"cache-control", b"no-store"),
        (b"x-content-type-options", b"nosniff"),
        *(more or []),
    ]
    start: MutableMapping[str, Any] = {"type": "http.response.start", "status": status, "headers": headers}
    await send(start)
    await send({"type": "http.response.body", "body": body})
