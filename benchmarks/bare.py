"""The least that a server can do: the same bytes as the gateway, from a constant, on the same server libraries.

python -m benchmarks.bare FOLDER: `FOLDER/http` is the body for HTTP, `FOLDER/grpc` the message for gRPC. A file
`FOLDER/NAME.http` is the body of the path `/NAME`; where NAME ends in `+gzip` or `+zstd`, it says so of its body. The
ports are those of the environment's HTTP_PORT and GRPC_PORT.
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

from aggregator.server.grpc_limits import MOST_CALLS, GrpcTransport, options
from aggregator.server.http_server import UVICORN

App = Callable[[Any, Any, Any], Awaitable[None]]


def app(folder: Path) -> App:
    """Return an application that answers each path with the bytes of its file, and headers like the gateway's."""
    named = {f"/{path.stem}": (_headers(path), path.read_bytes()) for path in folder.glob("*.http")}
    otherwise = _headers(folder / "http"), (folder / "http").read_bytes()

    async def answer(scope: Any, _receive: Any, send: Any) -> None:
        headers, body = named.get(scope["path"], otherwise)
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    return answer


def _headers(body: Path) -> list[tuple[bytes, bytes]]:
    packed = body.stem.partition("+")[2].encode()
    return [
        (b"content-type", b"application/json"),
        (b"content-length", b"%d" % body.stat().st_size),
        (b"age", b"0"),
        (b"x-topology-complete", b"true"),
        (b"cache-control", b"no-cache"),
        (b"x-content-type-options", b"nosniff"),
        *([(b"content-encoding", packed)] if packed else []),
    ]


def handlers(message: bytes) -> grpc.GenericRpcHandler:
    """Return handlers whose one method answers with `message`."""

    async def connect_to_querier(_request: bytes, _context: Any) -> bytes:
        return message

    named: dict[str, Any] = {"ConnectToQuerier": grpc.unary_unary_rpc_method_handler(connect_to_querier)}
    return grpc.method_handlers_generic_handler("server_proto.Aggregator", named)


async def serve(folder: Path) -> None:
    """Serve both until the process is told to end."""
    server = grpc.aio.server(options=options(GrpcTransport()), maximum_concurrent_rpcs=MOST_CALLS)
    server.add_generic_rpc_handlers([handlers((folder / "grpc").read_bytes())])
    server.add_insecure_port(f"127.0.0.1:{os.environ['GRPC_PORT']}")
    await server.start()
    config = uvicorn.Config(
        app(folder),
        host="127.0.0.1",
        port=int(os.environ["HTTP_PORT"]),
        http="httptools",
        **UVICORN,
    )
    await uvicorn.Server(config).serve()
    await server.stop(0)


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(Path(sys.argv[1])))
