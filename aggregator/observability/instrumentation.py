"""The instrumentation of requests in both servers: traces, request IDs, metrics and logging.

OpenTelemetry is imported only if traces are enabled. It reads the other OTEL_* variables itself: service name,
headers, sampling and timeouts.
"""

import logging
import re
import secrets
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aggregator import __version__
from aggregator.observability.logs import TRACE_ID, get_logger
from aggregator.observability.metrics import OwnMetrics, QueryStats
from aggregator.observability.redaction import Redactor

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SpanExporter
    from opentelemetry.trace import Span, SpanContext

SERVICE_NAME = "aggregator"

# How long the process waits at shutdown for the last spans to be sent.
FLUSH_TIMEOUT_SECONDS = 2.0

MAX_REASON_CHARACTERS = 300

_log = get_logger(__name__)


REQUEST_ID_HEADER = b"x-request-id"

MAX_REQUEST_ID_CHARACTERS = 128

_SAFE_REQUEST_ID_PATTERN = re.compile(rb"[A-Za-z0-9._-]{1,%d}" % MAX_REQUEST_ID_CHARACTERS)


class Tracing:
    """Creates spans; a thread of OpenTelemetry exports them in batches."""

    def __init__(self, provider: "TracerProvider") -> None:
        from opentelemetry import trace  # noqa: PLC0415 - only if traces are enabled
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator  # noqa: PLC0415

        self._trace = trace
        self._provider = provider
        self._tracer = provider.get_tracer(SERVICE_NAME, __version__)
        self._propagator = TraceContextTextMapPropagator()
        self._last_refresh: SpanContext | None = None

    @contextmanager
    def trace_request(self, name: str, headers: Mapping[str, str], attributes: Mapping[str, str]) -> "Iterator[Span]":
        """Record a span around a request or call; a W3C traceparent header makes it part of that trace."""
        context = self._propagator.extract(headers)
        kind = self._trace.SpanKind.SERVER
        with self._tracer.start_as_current_span(name, context, kind, dict(attributes), record_exception=False) as span:
            TRACE_ID.set(_format_trace_id(span))
            yield span

    @contextmanager
    def trace_refresh(self) -> Iterator[None]:
        """Record a span around a refresh, in the trace of the request that started it, if any."""
        with self._tracer.start_as_current_span("refresh", record_exception=False) as span:
            # The refresh runs in a copy of the context of the request, so this does not change the request's own.
            TRACE_ID.set(_format_trace_id(span))
            self._last_refresh = span.get_span_context()
            yield

    def link_refresh(self) -> None:
        """Link the current request to the refresh that it joined; another request had started it."""
        span, refresh = self._trace.get_current_span(), self._last_refresh
        if refresh is not None and span.is_recording():
            span.add_link(refresh, {"reason": "waited for this refresh"})

    def record_query_span(self, stats: QueryStats) -> None:
        """Record the span of a completed query within the current refresh."""
        attributes: dict[str, str | int] = {
            "aggregator.query": stats.query,
            "aggregator.source": stats.source,
            "aggregator.samples": stats.sample_count,
            "aggregator.response_bytes": stats.response_bytes,
            "aggregator.result": stats.result,
        }
        start = round(stats.started_at_seconds * 1e9)
        span = self._tracer.start_span(
            f"query {stats.query}", kind=self._trace.SpanKind.CLIENT, attributes=attributes, start_time=start
        )
        if stats.error is not None:
            self.mark_failed(span, stats.result)
        span.end(start + round(stats.duration_seconds * 1e9))

    def mark_failed(self, span: "Span", reason: str) -> None:
        """Mark a span as failed; the reason is a constant word, not text from outside."""
        span.set_status(self._trace.Status(self._trace.StatusCode.ERROR, reason))

    def close(self) -> None:
        """Export the last spans, for a limited time: an unavailable collector must not delay the shutdown."""
        # OpenTelemetry would wait for thirty seconds.
        flush_thread = threading.Thread(target=self._provider.shutdown, name="last spans", daemon=True)
        flush_thread.start()
        flush_thread.join(FLUSH_TIMEOUT_SECONDS)


def start_tracing(endpoint: str, on_spans_dropped: Callable[[int], None], redactor: Redactor) -> Tracing:
    """Return the tracing that exports to the collector at a base URL.

    `on_spans_dropped` is called with the number of spans that the collector did not accept. The logged reason is
    redacted: the collector may repeat the headers that it was sent.
    """
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415 - only if traces are enabled

    return Tracing(
        build_tracer_provider(OTLPSpanExporter(endpoint.rstrip("/") + "/v1/traces"), on_spans_dropped, redactor)
    )


def build_tracer_provider(
    exporter: "SpanExporter", on_spans_dropped: Callable[[int], None], redactor: Redactor
) -> "TracerProvider":
    """Return a provider that exports spans in batches."""
    from opentelemetry.sdk.resources import Resource  # noqa: PLC0415 - only if traces are enabled
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415

    # OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES override the default.
    default_resource = Resource({"service.name": SERVICE_NAME, "service.version": __version__})
    environment_resource = Resource.create()
    is_unnamed = str(environment_resource.attributes.get("service.name", "")).startswith("unknown_service")
    tracer_provider = TracerProvider(
        resource=environment_resource.merge(default_resource)
        if is_unnamed
        else default_resource.merge(environment_resource),
        shutdown_on_exit=False,
    )
    tracer_provider.add_span_processor(BatchSpanProcessor(_wrap_exporter(exporter, on_spans_dropped, redactor)))
    return tracer_provider


def _wrap_exporter(
    exporter: "SpanExporter", on_spans_dropped: Callable[[int], None], redactor: Redactor
) -> "SpanExporter":
    """Return the exporter with one warning when the collector stops accepting spans, and one line when it resumes."""
    from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult  # noqa: PLC0415 - only if traces are enabled

    last_message = _LastMessageHandler(redactor)

    class OutageLoggingExporter(SpanExporter):
        is_failing = False

        def export(self, spans: Sequence[Any]) -> SpanExportResult:
            result = exporter.export(spans)
            has_failed = result is not SpanExportResult.SUCCESS
            if has_failed:
                on_spans_dropped(len(spans))
            if has_failed and not self.is_failing:
                _log.warning("trace collector does not accept spans, dropping them", reason=last_message.text)
            if self.is_failing and not has_failed:
                _log.info("trace collector accepts spans again")
            self.is_failing = has_failed
            return result

        def shutdown(self) -> None:
            exporter.shutdown()

    return OutageLoggingExporter()


class _LastMessageHandler(logging.Handler):
    """Stores the last log message of OpenTelemetry instead of logging it: there is at least one per batch."""

    text = ""

    def __init__(self, redactor: Redactor) -> None:
        super().__init__(logging.WARNING)
        self._redactor = redactor
        library_logger = logging.getLogger("opentelemetry")
        library_logger.propagate = False
        library_logger.handlers[:] = [self]

    def emit(self, record: logging.LogRecord) -> None:
        self.text = self._redactor.redact(record.getMessage(), MAX_REASON_CHARACTERS)


def _format_trace_id(span: "Span") -> bytes:
    return b"%032x" % span.get_span_context().trace_id


def extract_request_id(headers: Iterable[tuple[bytes, bytes]]) -> bytes | None:
    """Return the request ID in the headers of an HTTP request, the first one if there are several."""
    for name, value in headers:
        if name == REQUEST_ID_HEADER:
            return bytes(value)
    return None


def choose_request_id(client_request_id: bytes | None) -> bytes:
    """Return the request ID of the client if it is safe to log, otherwise a random one, which reveals no count."""
    if client_request_id is not None and _SAFE_REQUEST_ID_PATTERN.fullmatch(client_request_id):
        return client_request_id
    return secrets.token_hex(8).encode()


@dataclass(frozen=True)
class Instrumentation:
    """Metrics, optional tracing, and whether each request is logged.

    `log_requests` is whether the log level is debug: to ask the logger for each request would be slower.
    """

    own_metrics: OwnMetrics
    tracing: Tracing | None = None
    log_requests: bool = False
