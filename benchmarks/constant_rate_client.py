"""A client with a constant request rate: python -m benchmarks.constant_rate_client KIND ADDRESS RATE SECONDS.

KIND is HEAD, GET or grpc; ADDRESS is host:port. It uses one connection and measures each latency from the time when the
request was due, so that a slow response also counts against the requests that waited behind it.
"""

import http.client
import json
import sys
import time
from collections.abc import Callable, Sequence

import grpc

from benchmarks.simple_client import ETIM_METHOD, UNLIMITED_MESSAGE_OPTIONS, UnaryCall

READ_TIMEOUT_SECONDS = 60.0
BUFFER_BYTES = 1024 * 1024


def create_http_reader(method: str, address: str) -> Callable[[], None]:
    """Return a function that requests `/` and reads the whole response."""
    connection = http.client.HTTPConnection(address, timeout=READ_TIMEOUT_SECONDS)
    buffer = bytearray(BUFFER_BYTES)

    def read() -> None:
        connection.request(method, "/")
        response = connection.getresponse()
        while response.readinto(buffer):
            pass
        if response.status != 200:
            raise RuntimeError(f"{method} /: {response.status}")

    return read


def create_grpc_reader(address: str) -> Callable[[], None]:
    """Return a function that calls ConnectToQuerier."""
    call: UnaryCall = grpc.insecure_channel(address, options=UNLIMITED_MESSAGE_OPTIONS).unary_unary(ETIM_METHOD)

    def read() -> None:
        call(b"", timeout=READ_TIMEOUT_SECONDS)

    return read


def measure_latencies(read: Callable[[], None], rate: float, seconds: float) -> list[float]:
    """Return the latency of each read in seconds, from when it was due."""
    read()
    latencies_seconds: list[float] = []
    began = time.monotonic()
    for number in range(int(rate * seconds)):
        due = began + number / rate
        time.sleep(max(0.0, due - time.monotonic()))
        read()
        latencies_seconds.append(time.monotonic() - due)
    return latencies_seconds


def compute_quantile(values: Sequence[float], ratio: float) -> float:
    """Return the smallest value that at least this ratio of the values does not exceed."""
    ordered = sorted(values)
    return ordered[max(0, -int(-ratio * len(ordered) // 1) - 1)]


def main(kind: str, address: str, rate: float, seconds: float) -> None:
    """Run the client and print the latencies as JSON, in milliseconds."""
    reader = create_grpc_reader(address) if kind == "grpc" else create_http_reader(kind, address)
    latencies_ms = [1e3 * wait for wait in measure_latencies(reader, rate, seconds)]
    result = {
        "p50": compute_quantile(latencies_ms, 0.5),
        "p99": compute_quantile(latencies_ms, 0.99),
        "max": max(latencies_ms),
        "reads": len(latencies_ms),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], float(sys.argv[3]), float(sys.argv[4]))
