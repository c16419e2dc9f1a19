"""Samples pushed to a Thanos receiver: Prometheus' remote write 1.0, as little of it as it takes.

https://prometheus.io/docs/specs/prw/remote_write_spec/ (a protobuf message, packed with snappy)
"""

import http.client
import struct
from collections.abc import Iterable, Mapping

from tests.integration.process import until

Series = tuple[Mapping[str, str], float]


def push(port: int, series: Iterable[Series], at_seconds: float) -> None:
    """Write one sample of each series; a receiver that has just started may take a moment to accept it."""
    request = b"".join(_bytes(1, _series(labels, value, at_seconds)) for labels, value in series)
    headers = {
        "Content-Encoding": "snappy",
        "Content-Type": "application/x-protobuf",
        "X-Prometheus-Remote-Write-Version": "0.1.0",
    }

    def is_taken() -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        try:
            connection.request("POST", "/api/v1/receive", _snappy(request), headers)
            return connection.getresponse().status == 200
        except OSError:
            return False
        finally:
            connection.close()

    until(is_taken, "the receiver takes samples")


def _series(labels: Mapping[str, str], value: float, at_seconds: float) -> bytes:
    pairs = b"".join(
        _bytes(1, _bytes(1, name.encode()) + _bytes(2, text.encode())) for name, text in sorted(labels.items())
    )
    sample = b"\x09" + struct.pack("<d", value) + b"\x10" + _varint(round(1000 * at_seconds))
    return pairs + _bytes(2, sample)


def _bytes(field: int, payload: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(payload)) + payload


def _varint(number: int) -> bytes:
    low, rest = number & 0x7F, number >> 7
    return bytes([low | 0x80]) + _varint(rest) if rest else bytes([low])


def _snappy(data: bytes) -> bytes:
    """Return the data as snappy has it, without compressing: its length, then pieces that stand for themselves."""
    packed = bytearray(_varint(len(data)))
    for start in range(0, len(data), 65536):
        piece = data[start : start + 65536]
        packed += bytes([61 << 2]) + struct.pack("<H", len(piece) - 1) + piece
    return bytes(packed)
