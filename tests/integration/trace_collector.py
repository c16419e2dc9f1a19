"""A trace collector: a small HTTP server that receives and stores spans."""

import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)


@dataclass(frozen=True)
class ReceivedSpan:
    """One span; IDs are hexadecimal."""

    name: str
    trace_id: str
    span_id: str
    parent_id: str
    kind: int
    attributes: dict[str, Any]
    links: tuple[str, ...]
    is_error: bool
    start_unix_nanos: int
    end_unix_nanos: int
    service: str


@dataclass
class TraceCollector:
    """The received spans, headers and bodies, and the response to send."""

    url: str
    status: int = 200
    # The reason phrase of the status, before the reflected API key.
    status_phrase: str = "key "
    spans: list[ReceivedSpan] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)

    def find_spans(self, name: str) -> list[ReceivedSpan]:
        """Return the spans with this name."""
        return [span for span in self.spans if span.name == name]

    def add_batch(self, body: bytes) -> None:
        """Store the spans of one batch."""
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            resource_attributes = _parse_attributes(resource.resource.attributes)
            for scope in resource.scope_spans:
                self.spans += [_parse_span(span, resource_attributes["service.name"]) for span in scope.spans]


@contextmanager
def run_trace_collector() -> Iterator[TraceCollector]:
    """Run a collector while the block runs."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            collector.bodies.append(body)
            collector.headers.append({key.lower(): value for key, value in self.headers.items()} | {"path": self.path})
            if collector.status == 200:
                collector.add_batch(body)
            response = ExportTraceServiceResponse().SerializeToString() if collector.status == 200 else b"no"
            self.send_response(collector.status, f"{collector.status_phrase}{self.headers['api-key']}")
            self.send_header("Content-Type", "application/x-protobuf")
            self.send_header("Content-Length", str(len(response)))
            self.end_headers()
            self.wfile.write(response)

        def log_message(self, *_args: object) -> None:
            """Suppress the log."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        collector = TraceCollector(f"http://127.0.0.1:{server.server_address[1]}")
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield collector
        finally:
            server.shutdown()
            thread.join()


def _parse_span(span: Any, service: str) -> ReceivedSpan:
    return ReceivedSpan(
        name=span.name,
        trace_id=span.trace_id.hex(),
        span_id=span.span_id.hex(),
        parent_id=span.parent_span_id.hex(),
        kind=span.kind,
        attributes=_parse_attributes(span.attributes),
        links=tuple(link.span_id.hex() for link in span.links),
        is_error=span.status.code == 2,
        start_unix_nanos=span.start_time_unix_nano,
        end_unix_nanos=span.end_time_unix_nano,
        service=service,
    )


def _parse_attributes(attributes: Any) -> dict[str, Any]:
    return {attribute.key: getattr(attribute.value, attribute.value.WhichOneof("value")) for attribute in attributes}
