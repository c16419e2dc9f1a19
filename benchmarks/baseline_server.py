"""A baseline: the gateway's bytes from a constant, on the same server libraries.

python -m benchmarks.baseline_server FOLDER

`FOLDER/http` is the HTTP body and `FOLDER/grpc` the gRPC message. `FOLDER/NAME.http` is the body of the path `/NAME`;
if NAME ends in `+gzip` or `+zstd`, that is its Content-Encoding. The ports come from HTTP_PORT and GRPC_PORT.
"""

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import grpc
import uvicorn
import uvloop

from aggregator.server.grpc.limits import MAX_CONCURRENT_CALLS, GrpcServerOptions, build_channel_arguments
from aggregator.server.http.server import UVICORN_OPTIONS

AsgiApp = Callable[[Any, Any, Any], Awaitable[None]]


def create_app(folder: Path) -> AsgiApp:
    """Return an ASGI application that answers each path with the bytes of its file and the gateway's headers."""
    responses_by_path = {f"/{path.stem}": (_build_headers(path), path.read_bytes()) for path in folder.glob("*.http")}
    default_response = _build_headers(folder / "http"), (folder / "http").read_bytes()

    async def respond(scope: Any, _receive: Any, send: Any) -> None:
        headers, body = responses_by_path.get(scope["path"], default_response)
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    return respond


def _build_headers(body: Path) -> list[tuple[bytes, bytes]]:
    encoding = body.stem.partition("+")[2].encode()
    return [
        (b"content-type", b"application/json"),
        (b"content-length", b"%d" % body.stat().st_size),
        (b"age", b"0"),
        (b"x-topology-complete", b"true"),
        (b"cache-control", b"no-cache"),
        (b"x-content-type-options", b"nosniff"),
        *([(b"content-encoding", encoding)] if encoding else []),
    ]


def create_handler(message: bytes) -> grpc.GenericRpcHandler:
    """Return gRPC handlers with one method that returns `message`."""

    async def connect_to_querier(_request: bytes, _context: Any) -> bytes:
        return message

    methods: dict[str, Any] = {"ConnectToQuerier": grpc.unary_unary_rpc_method_handler(connect_to_querier)}
    return grpc.method_handlers_generic_handler("server_proto.Aggregator", methods)


async def serve(folder: Path) -> None:
    """Serve HTTP and gRPC until SIGTERM."""
    server = grpc.aio.server(
        options=build_channel_arguments(GrpcServerOptions()), maximum_concurrent_rpcs=MAX_CONCURRENT_CALLS
    )
    server.add_generic_rpc_handlers([create_handler((folder / "grpc").read_bytes())])
    server.add_insecure_port(f"127.0.0.1:{os.environ['GRPC_PORT']}")
    await server.start()
    config = uvicorn.Config(
        create_app(folder),
        host="127.0.0.1",
        port=int(os.environ["HTTP_PORT"]),
        http="httptools",
        **UVICORN_OPTIONS,
    )
    await uvicorn.Server(config).serve()
    await server.stop(0)


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(Path(sys.argv[1])))
