"""A gRPC load generator: python -m benchmarks.grpc_load TARGET CALLS CALLERS [TOKEN [METHOD REQUEST]].

METHOD defaults to the path of ConnectToQuerier; REQUEST is the request message in hexadecimal. It prints the calls per
second. Each caller starts its next call after the response to the last one.
"""

import asyncio
import json
import sys
import time
from typing import TypeAlias

import grpc
import uvloop

from benchmarks.simple_client import ETIM_METHOD, UNLIMITED_MESSAGE_OPTIONS

WARM_UP_CALLS = 200

AsyncUnaryCall: TypeAlias = "grpc.aio.UnaryUnaryMultiCallable[bytes, bytes]"


async def run_load(
    target: str, calls: int, concurrency: int, token: str = "", method: str = ETIM_METHOD, request: str = ""
) -> dict[str, float]:
    """Make the calls; return their number and the rate per second."""
    metadata = (("authorization", f"Bearer {token}"),) if token else ()
    async with grpc.aio.insecure_channel(target, options=UNLIMITED_MESSAGE_OPTIONS) as channel:
        call: AsyncUnaryCall = channel.unary_unary(method)
        request_bytes = bytes.fromhex(request)

        async def run_caller(count: int) -> None:
            for _ in range(count):
                await call(request_bytes, metadata=metadata)

        await run_caller(min(WARM_UP_CALLS, calls))
        began = time.monotonic()
        await asyncio.gather(*(run_caller(calls // concurrency) for _ in range(concurrency)))
        seconds = time.monotonic() - began
    total_calls = calls // concurrency * concurrency
    return {"calls": total_calls + min(WARM_UP_CALLS, calls), "calls_per_second": total_calls / seconds}


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        print(json.dumps(runner.run(run_load(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), *sys.argv[4:]))))
