"""What surrounds every gRPC method: counts each call once, gives it an id, logs and traces it."""

import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from time import perf_counter
from typing import Any, NamedTuple

import grpc
from prometheus_client import Counter

from aggregator.logs import REQUEST_ID, logger
from aggregator.server.request_id import RequestIds
from aggregator.server.watch import Watch
from aggregator.telemetry import Telemetry
from aggregator.tracing import Tracing

Continuation = Callable[[grpc.HandlerCallDetails], Awaitable[Any]]
Behaviour = Callable[[Any, Any], Any]

_TYPES = {
    (False, False): ("unary_unary", "unary"),
    (False, True): ("unary_stream", "server_stream"),
    (True, False): ("stream_unary", "client_stream"),
    (True, True): ("stream_stream", "bidi_stream"),
}
# A name that a caller made up must not make a series.
_UNKNOWN = ("unknown", "unknown", "unary")
# What known methods are expected to end with; these series exist from the start.
_USUAL_CODES = ("OK", "CANCELLED", "UNAUTHENTICATED", "PERMISSION_DENIED", "UNAVAILABLE", "INTERNAL")
_BY_NUMBER = {code.value[0]: code.name for code in grpc.StatusCode}
_HEADER = "x-request-id"

_log = logger(__name__)


class Counts:
    """The counters of one method, looked up once a code."""

    def __init__(self, telemetry: Telemetry, service: str, method: str, kind: str) -> None:
        self._telemetry = telemetry
        self._call = (service, method, kind)
        self._ended: dict[str, Counter] = {}
        self.name = f"{service}/{method}"
        self.began = telemetry.started(*self._call)
        for code in _USUAL_CODES:
            self.ended(code)

    def ended(self, code: str) -> Counter:
        """Return what counts the calls that end with a code."""
        if code not in self._ended:
            self._ended[code] = self._telemetry.handled(*self._call, code)
        return self._ended[code]


class Call(NamedTuple):
    """A call under way: where it is answered, what counts it, when it began, its id as metadata."""

    context: Any
    counts: Counts
    start: float
    ours: tuple[tuple[str, str]]

    def code(self, otherwise: str) -> str:
        """Return the name of the code that the handler set."""
        code = self.context.code()
        number = code.value[0] if isinstance(code, grpc.StatusCode) else code
        return _BY_NUMBER.get(number, "UNKNOWN") if number else otherwise

    def add_id(self) -> None:
        """Give the answer its id, where the handler set metadata of its own."""
        trailing = self.context.trailing_metadata()
        if trailing != self.ours:
            self.context.set_trailing_metadata((*trailing, *self.ours))


class WatchInterceptor(grpc.aio.ServerInterceptor):
    """Watches calls; it comes before the interceptor that refuses some. A call is counted when its handler runs."""

    def __init__(self, watch: Watch, methods: Mapping[str, str]) -> None:
        """`methods` are the known ones by their path, with their kind ("unary", "server_stream", …)."""
        self._tracing = watch.tracing
        self._ids = RequestIds()
        self._log_calls = watch.log_requests
        self._counts = {path: Counts(watch.telemetry, *_split(path), kind) for path, kind in methods.items()}
        self._unknown = Counts(watch.telemetry, *_UNKNOWN)
        self._watched: dict[str, tuple[Any, Any]] = {}

    async def intercept_service(self, continuation: Continuation, details: grpc.HandlerCallDetails) -> Any:
        """Return the method's handler, watched."""
        path = details.method
        handler = await continuation(details)
        counts = self._counts.get(path, self._unknown)
        if handler is None:
            # gRPC answers by itself, without a handler that could be watched.
            counts.began.inc()
            counts.ended("UNIMPLEMENTED").inc()
            return None
        known = self._watched.get(path)
        if known is not None and known[0] is handler:
            return known[1]
        watched = self._watch(handler, counts)
        # Handlers of known methods stay the same; only refusals are made anew for each call.
        if path in self._counts:
            self._watched[path] = (handler, watched)
        return watched

    def _watch(self, handler: Any, counts: Counts) -> Any:
        attribute, _kind = _TYPES[handler.request_streaming, handler.response_streaming]
        behaviour = getattr(handler, attribute)
        wrap = self._stream if inspect.isasyncgenfunction(behaviour) else self._single
        return handler._replace(**{attribute: wrap(behaviour, counts)})

    def _single(self, behaviour: Behaviour, counts: Counts) -> Behaviour:
        async def watched(request: Any, context: Any) -> Any:
            call, code = self._begin(context, counts), "CANCELLED"
            try:
                if self._tracing is None:
                    answer = await behaviour(request, context)
                else:
                    with _traced(self._tracing, call):
                        answer = await behaviour(request, context)
                code = call.code("OK")
                call.add_id()
            except Exception:
                code = call.code("UNKNOWN")
                raise
            finally:
                self._end(call, code)
            return answer

        return watched

    def _stream(self, behaviour: Behaviour, counts: Counts) -> Behaviour:
        async def watched(request: Any, context: Any) -> AsyncIterator[Any]:
            call, code = self._begin(context, counts), "CANCELLED"
            try:
                async for answer in behaviour(request, context):
                    yield answer
                code = call.code("OK")
                call.add_id()
            except Exception:
                code = call.code("UNKNOWN")
                raise
            finally:
                self._end(call, code)

        return watched

    def _begin(self, context: Any, counts: Counts) -> Call:
        counts.began.inc()
        request_id = self._ids.of(_given_id(context.invocation_metadata()))
        REQUEST_ID.set(request_id)
        call = Call(context, counts, perf_counter(), ((_HEADER, request_id.decode("ascii")),))
        # For calls that are refused; those that are answered may set others meanwhile, and get it again.
        context.set_trailing_metadata(call.ours)
        return call

    def _end(self, call: Call, code: str) -> None:
        """Count a call; whatever ended it passes through here once."""
        call.counts.ended(code).inc()
        if self._log_calls:
            took = round(1000 * (perf_counter() - call.start), 1)
            _log.debug("call", method=call.counts.name, code=code, took_ms=took, client=call.context.peer())


@contextmanager
def _traced(tracing: Tracing, call: Call) -> Iterator[None]:
    name = call.counts.name
    if name.startswith("grpc."):
        yield
        return
    service, _, method = name.partition("/")
    headers = {key: value for key, value in call.context.invocation_metadata() or () if isinstance(value, str)}
    with tracing.serving(name, headers, {"rpc.system": "grpc", "rpc.service": service, "rpc.method": method}) as span:
        code = "CANCELLED"
        try:
            yield
            code = call.code("OK")
        except Exception:
            code = call.code("UNKNOWN")
            raise
        finally:
            span.set_attribute("rpc.grpc.status_code", code)
            if code not in ("OK", "CANCELLED"):
                tracing.failed(span, code)


def methods_of(*files: Any) -> dict[str, str]:
    """Return the methods of all services of the descriptors of .proto files, by their path, with their kind."""
    return {
        f"/{service.full_name}/{method.name}": _TYPES[method.client_streaming, method.server_streaming][1]
        for file in files
        for service in file.services_by_name.values()
        for method in service.methods
    }


def _split(path: str) -> tuple[str, str]:
    service, _, method = path.lstrip("/").rpartition("/")
    return service, method


def _given_id(metadata: Iterable[tuple[str, str | bytes]] | None) -> bytes | None:
    for key, value in metadata or ():
        if key == _HEADER:
            return value.encode("utf-8", "replace") if isinstance(value, str) else value
    return None
