"""Spans for a trace collector: request → refresh → each query. Nothing of it is imported unless it is wanted.

What OTEL_* variables beside ours say (service name, headers, sampling, time-outs) is read by OpenTelemetry itself.
"""

import logging
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from aggregator import __version__
from aggregator.logs import TRACE_ID, logger
from aggregator.secrets import Secrets
from aggregator.telemetry import Exchange

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SpanExporter
    from opentelemetry.trace import Span, SpanContext

SERVICE_NAME = "aggregator"
# How long the end of the process waits for the last spans to be taken.
FLUSH_SECONDS = 2.0
REASON_CHARACTERS = 300

_log = logger(__name__)


class Tracing:
    """Makes spans, and hands them in batches to an exporter on a thread of its own."""

    def __init__(self, provider: "TracerProvider") -> None:
        from opentelemetry import trace  # noqa: PLC0415 - only where traces are wanted
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator  # noqa: PLC0415

        self._trace = trace
        self._provider = provider
        self._tracer = provider.get_tracer(SERVICE_NAME, __version__)
        self._propagator = TraceContextTextMapPropagator()
        self._refresh: SpanContext | None = None

    @contextmanager
    def serving(self, name: str, headers: Mapping[str, str], attributes: Mapping[str, str]) -> "Iterator[Span]":
        """Surround a request or call; a W3C traceparent among its headers is continued."""
        context = self._propagator.extract(headers)
        kind = self._trace.SpanKind.SERVER
        with self._tracer.start_as_current_span(name, context, kind, dict(attributes), record_exception=False) as span:
            TRACE_ID.set(_trace_id(span))
            yield span

    @contextmanager
    def refreshing(self) -> Iterator[None]:
        """Surround a refresh: a trace of its own, or a part of the request's that began it."""
        with self._tracer.start_as_current_span("refresh", record_exception=False) as span:
            # The refresh runs in a copy of its asker's context: nobody else sees this.
            TRACE_ID.set(_trace_id(span))
            self._refresh = span.get_span_context()
            yield

    def joined(self) -> None:
        """Link the current request to the last refresh, which another began and both waited for."""
        span, refresh = self._trace.get_current_span(), self._refresh
        if refresh is not None and span.is_recording():
            span.add_link(refresh, {"reason": "waited for this refresh"})

    def queried(self, exchange: Exchange) -> None:
        """Add the span of one query, which is over, to the refresh that surrounds it."""
        attributes: dict[str, str | int] = {
            "aggregator.query": exchange.query,
            "aggregator.source": exchange.source,
            "aggregator.samples": exchange.samples,
            "aggregator.answer_bytes": exchange.answer_bytes,
            "aggregator.result": exchange.result,
        }
        start = round(exchange.started_at_seconds * 1e9)
        span = self._tracer.start_span(
            f"query {exchange.query}", kind=self._trace.SpanKind.CLIENT, attributes=attributes, start_time=start
        )
        if exchange.error is not None:
            self.failed(span, exchange.result)
        span.end(start + round(exchange.seconds * 1e9))

    def failed(self, span: "Span", reason: str) -> None:
        """Mark a span as failed; the reason is a word of ours, no text from outside."""
        span.set_status(self._trace.Status(self._trace.StatusCode.ERROR, reason))

    def close(self) -> None:
        """Hand over the last spans, within bounds: a collector that is away must not hold up the end."""
        # The library would wait for thirty seconds.
        flushing = threading.Thread(target=self._provider.shutdown, name="last spans", daemon=True)
        flushing.start()
        flushing.join(FLUSH_SECONDS)


def start(endpoint: str, dropped: Callable[[int], None], secrets: Secrets) -> Tracing:
    """Return what traces to the collector at a base URL; `dropped` learns how many spans it did not take.

    Why it did not is told without `secrets`: it may repeat the headers that it was sent.
    """
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415 - only if wanted

    return Tracing(provider(OTLPSpanExporter(endpoint.rstrip("/") + "/v1/traces"), dropped, secrets))


def provider(exporter: "SpanExporter", dropped: Callable[[int], None], secrets: Secrets) -> "TracerProvider":
    """Return what makes spans and hands them to the exporter in batches."""
    from opentelemetry.sdk.resources import Resource  # noqa: PLC0415 - only where traces are wanted
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415

    # What OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES say goes before ours.
    ours = Resource({"service.name": SERVICE_NAME, "service.version": __version__})
    named = Resource.create()
    unnamed = str(named.attributes.get("service.name", "")).startswith("unknown_service")
    made = TracerProvider(resource=named.merge(ours) if unnamed else ours.merge(named), shutdown_on_exit=False)
    made.add_span_processor(BatchSpanProcessor(_patient(exporter, dropped, secrets)))
    return made


def _patient(exporter: "SpanExporter", dropped: Callable[[int], None], secrets: Secrets) -> "SpanExporter":
    """Return the exporter with one warning when the collector stops taking spans, and one line when it takes them."""
    from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult  # noqa: PLC0415 - only if wanted

    told = _LastWord(secrets)

    class Patient(SpanExporter):
        is_away = False

        def export(self, spans: Sequence[Any]) -> SpanExportResult:
            result = exporter.export(spans)
            is_away = result is not SpanExportResult.SUCCESS
            if is_away:
                dropped(len(spans))
            if is_away and not self.is_away:
                _log.warning("traces are not taken, and dropped until they are", reason=told.text)
            if self.is_away and not is_away:
                _log.info("traces are taken again")
            self.is_away = is_away
            return result

        def shutdown(self) -> None:
            exporter.shutdown()

    return Patient()


class _LastWord(logging.Handler):
    """Takes OpenTelemetry's own lines, of which there is one a batch or more, in place of the log; keeps the last."""

    text = ""

    def __init__(self, secrets: Secrets) -> None:
        super().__init__(logging.WARNING)
        self._secrets = secrets
        library = logging.getLogger("opentelemetry")
        library.propagate = False
        library.handlers[:] = [self]

    def emit(self, record: logging.LogRecord) -> None:
        self.text = self._secrets.hide(record.getMessage(), REASON_CHARACTERS)


def _trace_id(span: "Span") -> bytes:
    return b"%032x" % span.get_span_context().trace_id
