"""A reader at a steady rate: python -m benchmarks.steady KIND ADDRESS RATE SECONDS prints how long it waited.

KIND is HEAD or GET (ADDRESS: host:port) or grpc. One connection; each wait is counted from when its request was due,
so that a slow answer also counts against the requests that had to wait behind it.
"""

import http.client
import json
import sys
import time
from collections.abc import Callable, Sequence

import grpc

from benchmarks.asking import ANY_SIZE, METHOD, Ask

PATIENCE_SECONDS = 60.0
PIECE_BYTES = 1024 * 1024


def http_reader(method: str, address: str) -> Callable[[], None]:
    """Return a function that asks for `/` and reads the answer to its end."""
    connection = http.client.HTTPConnection(address, timeout=PATIENCE_SECONDS)
    piece = bytearray(PIECE_BYTES)

    def read() -> None:
        connection.request(method, "/")
        answer = connection.getresponse()
        while answer.readinto(piece):
            pass
        if answer.status != 200:
            raise RuntimeError(f"{method} /: {answer.status}")

    return read


def grpc_reader(address: str) -> Callable[[], None]:
    """Return a function that calls ConnectToQuerier."""
    ask: Ask = grpc.insecure_channel(address, options=ANY_SIZE).unary_unary(METHOD)

    def read() -> None:
        ask(b"", timeout=PATIENCE_SECONDS)

    return read


def waits(read: Callable[[], None], rate: float, seconds: float) -> list[float]:
    """Return how long each of the reads took from when it was due, in seconds."""
    read()
    taken: list[float] = []
    began = time.monotonic()
    for number in range(int(rate * seconds)):
        due = began + number / rate
        time.sleep(max(0.0, due - time.monotonic()))
        read()
        taken.append(time.monotonic() - due)
    return taken


def quantile(values: Sequence[float], share: float) -> float:
    """Return the smallest value that at least this share of the values does not exceed."""
    ordered = sorted(values)
    return ordered[max(0, -int(-share * len(ordered) // 1) - 1)]


def main(kind: str, address: str, rate: float, seconds: float) -> None:
    """Read, and print a JSON object in milliseconds."""
    reader = grpc_reader(address) if kind == "grpc" else http_reader(kind, address)
    taken = [1e3 * wait for wait in waits(reader, rate, seconds)]
    said = {"p50": quantile(taken, 0.5), "p99": quantile(taken, 0.99), "max": max(taken), "reads": len(taken)}
    print(json.dumps(said))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], float(sys.argv[3]), float(sys.argv[4]))
