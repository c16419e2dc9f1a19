"""What surrounds every gRPC call: instrumentation, errors, tokens and limits, as interceptors in this order.

The innermost interceptor, in `services.py`, finds the method. The grant of the caller is passed on in the details of
the call.
"""

import asyncio
import math
from collections.abc import Awaitable, Callable, Container, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from time import perf_counter
from typing import Any, NamedTuple

import grpc
from google.protobuf.descriptor import FileDescriptor

from aggregator.errors import AccessError
from aggregator.models.grant import Grant
from aggregator.observability.instrumentation import Instrumentation, choose_request_id
from aggregator.observability.logs import REQUEST_ID, get_logger
from aggregator.observability.metrics import GrpcCallCounters, OwnMetrics
from aggregator.server.auth.guard import UNRESTRICTED_ACCESS, Guard
from aggregator.server.status import INTERNAL_ERROR, get_error_mapping, get_error_message

# The function of a method handler: it reads its requests from the iterator or the context, and returns its only
# response or writes several to the context.
Behavior = Callable[[Any, Any], Awaitable[Any]]
MethodHandler = Any  # grpc.RpcMethodHandler, whose type leaves out what its factories accept
Continuation = Callable[[grpc.HandlerCallDetails], Awaitable[MethodHandler]]

_REQUEST_ID_KEY = "x-request-id"
_CALL_TYPES = {
    (False, False): "unary",
    (False, True): "server_stream",
    (True, False): "client_stream",
    (True, True): "bidi_stream",
}
_STATUS_NAMES_BY_NUMBER = {code.value[0]: code.name for code in grpc.StatusCode}

_log = get_logger(__name__)


class _Method(NamedTuple):
    service: str
    name: str
    counters: GrpcCallCounters


class InstrumentationInterceptor(grpc.aio.ServerInterceptor):
    """Counts, logs and traces calls. A call is counted when its handler starts, and once more when it ends.

    `files` describe the .proto files of all services. Their methods have series from the start.
    """

    def __init__(self, instrumentation: Instrumentation, files: tuple[FileDescriptor, ...]) -> None:
        self._instrumentation = instrumentation
        self._methods = _describe_methods(files, instrumentation.own_metrics)
        # All methods that do not exist share one series: clients can make up any name.
        self._unknown_method = _build_method(instrumentation.own_metrics, "unknown", "unknown", "unary")

    async def intercept_service(
        self, continuation: Continuation, handler_call_details: grpc.HandlerCallDetails
    ) -> MethodHandler:
        """Return the instrumented handler of a call."""
        method = self._methods.get(handler_call_details.method, self._unknown_method)
        metadata = handler_call_details.invocation_metadata
        client_ids = list_metadata_values(metadata, _REQUEST_ID_KEY)
        request_id = choose_request_id(client_ids[0] if client_ids else None)
        REQUEST_ID.set(request_id)
        handler = await continuation(handler_call_details)
        return wrap_handler(handler, lambda behavior: self._instrument(behavior, method, metadata, request_id))

    def _instrument(self, behavior: Behavior, method: _Method, metadata: Any, request_id: bytes) -> Behavior:
        async def handle(requests: Any, context: Any) -> Any:
            add_trailing_metadata(context, (_REQUEST_ID_KEY, request_id.decode("ascii")))
            method.counters.count_start()
            start_seconds = perf_counter()
            code = "CANCELLED"
            try:
                with self._start_span(method, metadata) as span:
                    try:
                        response = await behavior(requests, context)
                        code = _get_status_name(context, "OK")
                    except Exception:
                        code = _get_status_name(context, "UNKNOWN")
                        raise
                    finally:
                        self._end_span(span, code)
            finally:
                method.counters.count_end(code)
                if self._instrumentation.log_requests:
                    _log_call(method, code, start_seconds, context)
            return response

        return handle

    def _start_span(self, method: _Method, metadata: Any) -> Any:
        tracing = self._instrumentation.tracing
        # Health checks and reflection are frequent and say nothing about the topology.
        if tracing is None or method.service.startswith("grpc."):
            return nullcontext()
        headers = {key: value for key, value in metadata or () if isinstance(value, str)}
        attributes = {"rpc.system": "grpc", "rpc.service": method.service, "rpc.method": method.name}
        return tracing.trace_request(f"{method.service}/{method.name}", headers, attributes)

    def _end_span(self, span: Any, code: str) -> None:
        tracing = self._instrumentation.tracing
        if span is None or tracing is None:
            return
        span.set_attribute("rpc.grpc.status_code", code)
        if code not in ("OK", "CANCELLED"):
            tracing.mark_failed(span, code)


@dataclass(slots=True)
class AuthorizedCallDetails:
    """The details of a call, with what its caller may see."""

    original: grpc.HandlerCallDetails
    method: str
    invocation_metadata: Any
    grant: Grant


class ErrorInterceptor(grpc.aio.ServerInterceptor):
    """Ends a call with the status of its error. gRPC would send the text of any error to the client."""

    def __init__(self, own_metrics: OwnMetrics) -> None:
        self._own_metrics = own_metrics

    async def intercept_service(
        self, continuation: Continuation, handler_call_details: grpc.HandlerCallDetails
    ) -> MethodHandler:
        """Return a handler whose errors, and those of the interceptors that follow, are mapped to a status."""
        try:
            handler = await continuation(handler_call_details)
        except Exception as error:  # noqa: BLE001 - becomes the status of the call
            handler = create_failing_handler(error)
        return wrap_handler(handler, self._map_errors)

    def _map_errors(self, behavior: Behavior) -> Behavior:
        async def handle(requests: Any, context: Any) -> Any:
            try:
                return await behavior(requests, context)
            except grpc.aio.AbortError:
                raise
            except grpc.aio.InternalError:
                # grpcio raises this for a write to a client that has just disconnected.
                raise asyncio.CancelledError from None
            except NotImplementedError:
                code, message = grpc.StatusCode.UNIMPLEMENTED, "method is not implemented"
            except Exception as error:  # noqa: BLE001 - the client must not read the text of an unexpected error
                code, message = self._describe_error(error)
            return await context.abort(code, message)

        return handle

    def _describe_error(self, error: Exception) -> tuple[grpc.StatusCode, str]:
        """Return the status and the message for the client; count or log the error."""
        mapping = get_error_mapping(error)
        if isinstance(error, AccessError):
            self._own_metrics.record_auth_failure(error.reason)
            _log.debug("call refused", reason=error.reason, **error.details)
        elif mapping is INTERNAL_ERROR:
            _log.error("call failed with an unexpected error", exc_info=error)
        return mapping.grpc_code, get_error_message(error)


class AuthInterceptor(grpc.aio.ServerInterceptor):
    """Requires a token, also for methods that do not exist, and ends a call when its token expires.

    `public_methods` require no token; without a guard, no method does.
    """

    def __init__(self, guard: Guard | None, public_methods: Container[str], own_metrics: OwnMetrics) -> None:
        self._guard = guard
        self._public_methods = public_methods
        self._own_metrics = own_metrics

    async def intercept_service(
        self, continuation: Continuation, handler_call_details: grpc.HandlerCallDetails
    ) -> MethodHandler:
        """Return the handler of a call that is authorized; raise AccessError for others."""
        method, metadata = handler_call_details.method, handler_call_details.invocation_metadata
        if method in self._public_methods:
            return await continuation(handler_call_details)
        access = UNRESTRICTED_ACCESS
        if self._guard is not None:
            access = await self._guard.authorize(list_metadata_values(metadata, "authorization"))
        handler = await continuation(AuthorizedCallDetails(handler_call_details, method, metadata, access.grant))
        if handler is None:
            return create_aborting_handler(grpc.StatusCode.UNIMPLEMENTED, "Method not found!")
        if access.expires_at == math.inf:
            return handler
        return wrap_handler(handler, lambda behavior: self._limit_to_token(behavior, access.expires_at))

    def _limit_to_token(self, behavior: Behavior, expires_at: float) -> Behavior:
        async def handle(requests: Any, context: Any) -> Any:
            timeout = asyncio.timeout_at(expires_at)
            try:
                async with timeout:
                    return await behavior(requests, context)
            except TimeoutError:
                if not timeout.expired():
                    raise
            self._own_metrics.record_auth_failure("expired")
            return await context.abort(grpc.StatusCode.UNAUTHENTICATED, "the token expired during the call")

        return handle


class CallLimitInterceptor(grpc.aio.ServerInterceptor):
    """Ends calls whose request message does not arrive, and limits the number of concurrent streaming calls."""

    def __init__(
        self,
        public_methods: Container[str],
        request_timeout_seconds: float,
        max_streaming_calls: int,
        self_limiting_methods: Container[str] = (),
    ) -> None:
        self._public_methods = public_methods
        # Streams that are not counted, because their methods have another limit.
        self._self_limiting_methods = self_limiting_methods
        self._request_timeout_seconds = request_timeout_seconds
        self._max_streaming_calls = max_streaming_calls
        # Counted separately, so that clients without a token cannot use up the streaming calls of those with one.
        self._streaming_calls = {True: 0, False: 0}

    async def intercept_service(
        self, continuation: Continuation, handler_call_details: grpc.HandlerCallDetails
    ) -> MethodHandler:
        """Return a handler that reads its request itself, so that a call is authorized before anything is read."""
        handler = await continuation(handler_call_details)
        if handler is None:
            return None
        serialization = handler.request_deserializer, handler.response_serializer
        if handler.response_streaming and handler_call_details.method in self._self_limiting_methods:
            return grpc.stream_stream_rpc_method_handler(self._read_then_handle(handler.unary_stream), *serialization)
        if handler.response_streaming:
            is_public = handler_call_details.method in self._public_methods
            return grpc.stream_stream_rpc_method_handler(self._limit_streaming(handler, is_public), *serialization)
        if handler.request_streaming:
            return handler
        return grpc.stream_unary_rpc_method_handler(self._read_then_handle(handler.unary_unary), *serialization)

    def _read_then_handle(self, handle_request: Behavior) -> Any:
        async def handle(_requests: Any, context: Any) -> Any:
            return await handle_request(await self._read_request(context), context)

        return handle

    def _limit_streaming(self, handler: MethodHandler, is_public: bool) -> Any:
        async def handle(requests: Any, context: Any) -> None:
            if self._streaming_calls[is_public] >= self._max_streaming_calls:
                await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "too many concurrent streaming calls")
            self._streaming_calls[is_public] += 1
            try:
                if handler.request_streaming:
                    responses = handler.stream_stream(requests, context)
                else:
                    responses = handler.unary_stream(await self._read_request(context), context)
                await _write_responses(responses, context)
            finally:
                self._streaming_calls[is_public] -= 1

        return handle

    async def _read_request(self, context: Any) -> Any:
        """Return the request message of a call, or abort the call; the text of the deserializer's error is not sent."""
        try:
            async with asyncio.timeout(self._request_timeout_seconds):
                request = await context.read()
        except TimeoutError:
            message = f"no request message within {self._request_timeout_seconds:g} s"
            return await context.abort(grpc.StatusCode.DEADLINE_EXCEEDED, message)
        except Exception:  # noqa: BLE001 - a deserializer may raise anything
            request = None
        if request is None or request is grpc.aio.EOF:
            return await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "invalid request message")
        return request


async def _write_responses(responses: Any, context: Any) -> None:
    """Write responses from an async generator; a coroutine writes them itself."""
    if hasattr(responses, "__aiter__"):
        async for response in responses:
            await context.write(response)
    else:
        await responses


def wrap_handler(handler: MethodHandler, wrap: Callable[[Behavior], Behavior]) -> MethodHandler:
    """Return a handler with the same serialization and a wrapped behavior.

    The handler reads its requests itself, as the ones from `CallLimitInterceptor` and the two below do.
    """
    serialization = handler.request_deserializer, handler.response_serializer
    if handler.response_streaming:
        wrapped: Any = wrap(handler.stream_stream)
        return grpc.stream_stream_rpc_method_handler(wrapped, *serialization)
    wrapped = wrap(handler.stream_unary)
    return grpc.stream_unary_rpc_method_handler(wrapped, *serialization)


def create_failing_handler(error: Exception) -> MethodHandler:
    """Return a handler that raises an error. It fits every type of method, because it reads no requests."""

    async def fail(_requests: Any, _context: Any) -> None:
        raise error

    behavior: Any = fail
    return grpc.stream_unary_rpc_method_handler(behavior)


def create_aborting_handler(code: grpc.StatusCode, message: str) -> MethodHandler:
    """Return a handler that aborts every call."""

    async def abort(_requests: Any, context: Any) -> None:
        await context.abort(code, message)

    behavior: Any = abort
    return grpc.stream_unary_rpc_method_handler(behavior)


def list_metadata_values(metadata: Any, key: str) -> list[bytes]:
    """Return all values of a metadata key, as bytes."""
    return [
        value.encode("utf-8", "surrogateescape") if isinstance(value, str) else value
        for name, value in metadata or ()
        if name == key
    ]


def add_trailing_metadata(context: Any, *entries: tuple[str, str]) -> None:
    """Add entries to the trailing metadata of a call."""
    context.set_trailing_metadata((*(context.trailing_metadata() or ()), *entries))


def _describe_methods(files: tuple[FileDescriptor, ...], own_metrics: OwnMetrics) -> Mapping[str, _Method]:
    """Return the methods of all services in .proto files, by their path."""
    return {
        f"/{service.full_name}/{method.name}": _build_method(
            own_metrics, service.full_name, method.name, _CALL_TYPES[method.client_streaming, method.server_streaming]
        )
        for file in files
        for service in file.services_by_name.values()
        for method in service.methods
    }


def _build_method(own_metrics: OwnMetrics, service: str, name: str, call_type: str) -> _Method:
    return _Method(service, name, own_metrics.get_grpc_call_counters(service, name, call_type))


def _get_status_name(context: Any, default: str) -> str:
    """Return the name of the status code that a call has so far, `default` if it has none."""
    code = context.code()
    number = code.value[0] if isinstance(code, grpc.StatusCode) else code
    return _STATUS_NAMES_BY_NUMBER.get(number, "UNKNOWN") if number else default


def _log_call(method: _Method, code: str, start_seconds: float, context: Any) -> None:
    duration_ms = round(1000 * (perf_counter() - start_seconds), 1)
    _log.debug(
        "call completed",
        method=f"{method.service}/{method.name}",
        code=code,
        duration_ms=duration_ms,
        client=context.peer(),
    )
