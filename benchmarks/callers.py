"""Callers of one method at full speed: python -m benchmarks.callers TARGET CALLS CALLERS [TOKEN [METHOD REQUEST]].

METHOD is ConnectToQuerier's path where it is not given, REQUEST its bytes in hexadecimal. It prints the rate of the
calls. Each caller makes its next call when it has the answer to the last one.
"""

import asyncio
import json
import sys
import time
from typing import TypeAlias

import grpc
import uvloop

from benchmarks.asking import ANY_SIZE, METHOD

WARM_UP = 200

Ask: TypeAlias = "grpc.aio.UnaryUnaryMultiCallable[bytes, bytes]"


async def load(
    target: str, calls: int, callers: int, token: str = "", method: str = METHOD, request: str = ""
) -> dict[str, float]:
    """Make the calls; return how many they were and how many a second."""
    metadata = (("authorization", f"Bearer {token}"),) if token else ()
    async with grpc.aio.insecure_channel(target, options=ANY_SIZE) as channel:
        ask: Ask = channel.unary_unary(method)
        said = bytes.fromhex(request)

        async def caller(count: int) -> None:
            for _ in range(count):
                await ask(said, metadata=metadata)

        await caller(min(WARM_UP, calls))
        began = time.monotonic()
        await asyncio.gather(*(caller(calls // callers) for _ in range(callers)))
        seconds = time.monotonic() - began
    made = calls // callers * callers
    return {"calls": made + min(WARM_UP, calls), "calls_per_second": made / seconds}


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        print(json.dumps(runner.run(load(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), *sys.argv[4:]))))
