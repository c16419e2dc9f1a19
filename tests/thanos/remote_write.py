"""Pushes samples to a Thanos receiver: a minimal client for Prometheus remote write 1.0.

https://prometheus.io/docs/specs/prw/remote_write_spec/ (a protobuf message in snappy encoding)
"""

import http.client
import struct
from collections.abc import Iterable, Mapping

from tests.integration.gateway_process import wait_until

WrittenSeries = tuple[Mapping[str, str], float]


def push_samples(port: int, series: Iterable[WrittenSeries], at_seconds: float) -> None:
    """Write one sample of each series; retry while the receiver starts."""
    request = b"".join(_encode_bytes(1, _encode_series(labels, value, at_seconds)) for labels, value in series)
    headers = {
        "Content-Encoding": "snappy",
        "Content-Type": "application/x-protobuf",
        "X-Prometheus-Remote-Write-Version": "0.1.0",
    }

    def is_accepted() -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        try:
            connection.request("POST", "/api/v1/receive", _encode_snappy(request), headers)
            return connection.getresponse().status == 200
        except OSError:
            return False
        finally:
            connection.close()

    wait_until(is_accepted, "the receiver accepts samples")


def _encode_series(labels: Mapping[str, str], value: float, at_seconds: float) -> bytes:
    pairs = b"".join(
        _encode_bytes(1, _encode_bytes(1, name.encode()) + _encode_bytes(2, text.encode()))
        for name, text in sorted(labels.items())
    )
    sample = b"\x09" + struct.pack("<d", value) + b"\x10" + _encode_varint(round(1000 * at_seconds))
    return pairs + _encode_bytes(2, sample)


def _encode_bytes(field: int, payload: bytes) -> bytes:
    return _encode_varint(field << 3 | 2) + _encode_varint(len(payload)) + payload


def _encode_varint(number: int) -> bytes:
    low, rest = number & 0x7F, number >> 7
    return bytes([low | 0x80]) + _encode_varint(rest) if rest else bytes([low])


def _encode_snappy(data: bytes) -> bytes:
    """Return the data in snappy encoding without compression: its length, then literal chunks."""
    encoded = bytearray(_encode_varint(len(data)))
    for start in range(0, len(data), 65536):
        chunk = data[start : start + 65536]
        encoded += bytes([61 << 2]) + struct.pack("<H", len(chunk) - 1) + chunk
    return bytes(encoded)
