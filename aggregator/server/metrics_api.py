"""/metrics: what the telemetry counts, in the form that the scraper asks for."""

import asyncio

from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.openmetrics import exposition as openmetrics

from aggregator.server.asgi import NO_SNIFFING, Headers, Receive, Scope, Send, answer
from aggregator.server.http_front import METRICS_PATH
from aggregator.telemetry import Telemetry

_OPENMETRICS = "application/openmetrics-text"
_PLAIN = "text/plain; charset=utf-8"


async def exposition(telemetry: Telemetry, accept: str) -> tuple[bytes, str]:
    """Return the metrics and their Content-Type: OpenMetrics for who asks for it, else Prometheus' text format."""
    # The library's own choice repeats the scraper's words in Content-Type, and breaks on versions that are no numbers.
    # A thousand series take some milliseconds, which requests need not wait for.
    if any(kind.partition(";")[0].strip().lower() == _OPENMETRICS for kind in accept.split(",")):
        body: bytes = await asyncio.to_thread(openmetrics.generate_latest, telemetry.registry)
        return body, openmetrics.CONTENT_TYPE_LATEST
    return await asyncio.to_thread(generate_latest, telemetry.registry), CONTENT_TYPE_PLAIN_0_0_4


class MetricsApp:
    """The ASGI application of METRICS_PORT: /metrics, and nothing else."""

    def __init__(self, telemetry: Telemetry) -> None:
        self._telemetry = telemetry

    async def __call__(self, scope: Scope, _receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        if scope["path"] != METRICS_PATH:
            body = b"only /metrics is here\n"
            await answer(send, 404, _headers(body, _PLAIN), body)
        elif scope["method"] not in ("GET", "HEAD"):
            body = b"only GET and HEAD\n"
            await answer(send, 405, [*_headers(body, _PLAIN), (b"allow", b"GET, HEAD")], body)
        else:
            accept = b",".join(value for name, value in scope["headers"] if name == b"accept").decode("latin-1")
            body, content_type = await exposition(self._telemetry, accept)
            await answer(send, 200, _headers(body, content_type), body)


def _headers(body: bytes, content_type: str) -> Headers:
    return [
        (b"content-type", content_type.encode()),
        (b"content-length", b"%d" % len(body)),
        (b"cache-control", b"no-store"),
        NO_SNIFFING,
    ]
