"""Every method of the gRPC server as it is answered, with all that surrounds it.

What surrounds a method is put around it once, at the start: grpcio's interceptors would be asked anew for each call,
which costs several times as much as what they do.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import grpc

from aggregator.server import grpc_metadata
from aggregator.server.grpc_patience import Behaviour, Patience
from aggregator.server.grpc_tokens import TokenCheck
from aggregator.server.grpc_watch import CallWatch


class Methods(grpc.GenericRpcHandler):
    """Finds the method of each call; services are added to it as to a server."""

    def __init__(self, watch: CallWatch, tokens: TokenCheck | None, open_services: Iterable[str]) -> None:
        """Without `tokens` everybody may call everything; open services need no token in any case."""
        self._watch = watch
        self._tokens = tokens
        self._open_services = frozenset(open_services)
        self._patience = Patience()
        # Apart: strangers may watch the health as often as they like, and take no place from those with a token.
        self._patience_of_open = Patience()
        self._handlers: dict[str, Any] = {}
        # A single answer to any number of requests, which are not read: that fits whatever the client calls it.
        self._unknown: Any = grpc.stream_unary_rpc_method_handler(watch.around(None, self._closed(_not_found)))

    def add_generic_rpc_handlers(self, generic_rpc_handlers: Iterable[Any]) -> None:
        """Do nothing: generated code hands over each service twice, this way and by its methods."""

    def add_registered_method_handlers(self, service_name: str, method_handlers: Mapping[str, Any]) -> None:
        """Answer the methods of a service."""
        for name, handler in method_handlers.items():
            path = f"/{service_name}/{name}"
            if service_name in self._open_services:
                answer = self._patience_of_open.around(handler)
            else:
                answer = self._closed(self._patience.around(handler))
            self._handlers[path] = _like(handler, self._watch.around(path, answer))

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> Any:
        """Return what answers a call, also one of a method that does not exist: who has no token learns nothing."""
        grpc_metadata.keep(handler_call_details.invocation_metadata)
        return self._handlers.get(handler_call_details.method, self._unknown)

    def _closed(self, behaviour: Behaviour) -> Behaviour:
        return behaviour if self._tokens is None else self._tokens.around(behaviour)


def _like(handler: Any, behaviour: Behaviour) -> Any:
    """Return a handler with the formats of another, which reads its requests itself, and writes several answers."""
    make = grpc.stream_unary_rpc_method_handler
    if handler.response_streaming:
        make = grpc.stream_stream_rpc_method_handler
    return make(behaviour, handler.request_deserializer, handler.response_serializer)


async def _not_found(_requests: Any, context: Any) -> None:
    # In grpcio's own words.
    await context.abort(grpc.StatusCode.UNIMPLEMENTED, "Method not found!")
