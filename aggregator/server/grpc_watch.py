"""What surrounds every gRPC method: counts each call once, gives it an id, logs and traces it."""

from collections.abc import Callable, Mapping
from time import perf_counter
from typing import Any

import grpc

from aggregator.logs import REQUEST_ID, logger
from aggregator.server import grpc_metadata
from aggregator.server.grpc_patience import Behaviour
from aggregator.server.request_id import RequestIds
from aggregator.server.watch import Watch
from aggregator.tracing import Tracing

_KINDS = {
    (False, False): "unary",
    (False, True): "server_stream",
    (True, False): "client_stream",
    (True, True): "bidi_stream",
}
# A name that a caller made up must not make a series.
_UNKNOWN = ("unknown", "unknown", "unary")
_BY_NUMBER = {code.value[0]: code.name for code in grpc.StatusCode}
_HEADER = "x-request-id"

# Learns how a call ended.
Ended = Callable[[str], None]

_log = logger(__name__)


class CallWatch:
    """Watches calls. One is counted when what answers it runs, and once more when that is over, however it ends."""

    def __init__(self, watch: Watch, kinds: Mapping[str, str]) -> None:
        """`kinds` has the kind ("unary", "server_stream", …) of each method by its path."""
        self._watch = watch
        self._kinds = kinds
        self._ids = RequestIds()

    def around(self, path: str | None, behaviour: Behaviour) -> Behaviour:
        """Return what a method does, watched; None is for all methods that do not exist."""
        service, method, kind = _UNKNOWN if path is None else (*_split(path), self._kinds[path])
        if self._watch.log_requests:
            behaviour = _logged(f"{service}/{method}", behaviour)
        # Health checks come every few seconds and tell a reader of traces nothing, nor does reflection.
        if self._watch.tracing is not None and not service.startswith("grpc."):
            behaviour = _traced(self._watch.tracing, service, method, behaviour)
        return self._counted(service, method, kind, behaviour)

    def _counted(self, service: str, method: str, kind: str, behaviour: Behaviour) -> Behaviour:
        calls, id_of = self._watch.telemetry.calls_of(service, method, kind), self._ids.of

        def begin(context: Any) -> Ended:
            calls.began += 1
            request_id = id_of(_given_id())
            REQUEST_ID.set(request_id)
            grpc_metadata.tell(context, ((_HEADER, request_id.decode("ascii")),))
            return calls.end

        return _observed(begin, behaviour)


def _observed(begin: Callable[[Any], Ended], behaviour: Behaviour) -> Behaviour:
    """Return the behaviour; what `begin` returns of a call's context learns the call's code once, however it ends."""

    async def observed(requests: Any, context: Any) -> Any:
        end = begin(context)
        try:
            answer = await behaviour(requests, context)
        except Exception:
            end(_code(context, "UNKNOWN"))
            raise
        except BaseException:
            end("CANCELLED")
            raise
        end(_code(context, "OK"))
        return answer

    return observed


def _logged(name: str, behaviour: Behaviour) -> Behaviour:
    def begin(context: Any) -> Ended:
        start = perf_counter()

        def end(code: str) -> None:
            took = round(1000 * (perf_counter() - start), 1)
            _log.debug("call", method=name, code=code, took_ms=took, client=context.peer())

        return end

    return _observed(begin, behaviour)


def _traced(tracing: Tracing, service: str, method: str, behaviour: Behaviour) -> Behaviour:
    attributes = {"rpc.system": "grpc", "rpc.service": service, "rpc.method": method}

    async def traced(requests: Any, context: Any) -> Any:
        headers = {key: value for key, value in grpc_metadata.entries() if isinstance(value, str)}
        with tracing.serving(f"{service}/{method}", headers, attributes) as span:

            def end(code: str) -> None:
                span.set_attribute("rpc.grpc.status_code", code)
                if code not in ("OK", "CANCELLED"):
                    tracing.failed(span, code)

            return await _observed(lambda _context: end, behaviour)(requests, context)

    return traced


def methods_of(*files: Any) -> dict[str, str]:
    """Return the methods of all services of the descriptors of .proto files, by their path, with their kind."""
    return {
        f"/{service.full_name}/{method.name}": _KINDS[method.client_streaming, method.server_streaming]
        for file in files
        for service in file.services_by_name.values()
        for method in service.methods
    }


def _code(context: Any, otherwise: str) -> str:
    """Return the name of the code that was set for a call."""
    code = context.code()
    if code is None:
        return otherwise
    number = code.value[0] if isinstance(code, grpc.StatusCode) else code
    return _BY_NUMBER.get(number, "UNKNOWN") if number else otherwise


def _split(path: str) -> tuple[str, str]:
    service, _, method = path.lstrip("/").rpartition("/")
    return service, method


def _given_id() -> bytes | None:
    for key, value in grpc_metadata.entries():
        if key == _HEADER:
            return value.encode("utf-8", "replace") if isinstance(value, str) else value
    return None
