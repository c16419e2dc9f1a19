"""What the proxy can do instead of forwarding a response: break, delay, replace or change it."""

import gzip
import json
import re
from collections.abc import Callable
from functools import cache
from typing import Any

from tests.faults.fault_proxy import FaultAction, ProxiedExchange, build_full_response

DRIP_INTERVAL_SECONDS = 0.005
Json = Any


# --- the connection


def reset_connection(exchange: ProxiedExchange) -> None:
    """Reset the connection before sending any byte."""
    exchange.reset()


def reset_mid_response(exchange: ProxiedExchange) -> None:
    """Reset the connection in the middle of the body."""
    body = exchange.fetch_response()
    exchange.send(build_full_response(body)[: -len(body) // 2])
    exchange.reset()


def truncate_body(exchange: ProxiedExchange) -> None:
    """Close the connection before the announced length is sent."""
    body = exchange.fetch_response()
    exchange.send(build_full_response(body)[: -len(body) // 2])
    exchange.close()


def announce_wrong_length(change: int) -> FaultAction:
    """Return an action that sends a Content-Length that is wrong by `change` bytes, then closes."""

    def action(exchange: ProxiedExchange) -> None:
        body = exchange.fetch_response()
        exchange.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (len(body) + change) + body)
        exchange.close()

    return action


def send_bytes(data: bytes) -> FaultAction:
    """Return an action that sends raw bytes, then closes."""

    def action(exchange: ProxiedExchange) -> None:
        exchange.send(data)
        exchange.close()

    return action


# --- time


def hang_after(data: bytes) -> FaultAction:
    """Return an action that sends some bytes and then nothing until the gateway disconnects."""

    def action(exchange: ProxiedExchange) -> None:
        exchange.send(data)
        exchange.wait_for_disconnect()

    return action


def drip_bytes(head: bytes, chunk: bytes) -> FaultAction:
    """Return an action that sends an endless response in small chunks, so that no read times out."""

    def action(exchange: ProxiedExchange) -> None:
        exchange.send(head)
        while not exchange.stop_event.wait(DRIP_INTERVAL_SECONDS):
            exchange.send(chunk)

    return action


# --- replaced responses


def respond_with(body: bytes, status: str = "200 OK", *headers: str) -> FaultAction:
    """Return an action that sends this response instead of the upstream's."""
    return lambda exchange: exchange.send(build_full_response(body, status, *headers))


def respond_with_error(status: str, kind: str, *headers: str) -> FaultAction:
    """Return an action that sends an error response in the JSON format of Prometheus."""
    reason = {"status": "error", "errorType": kind, "error": "details of the error"}
    return respond_with(json.dumps(reason).encode(), status, "Content-Type: application/json", *headers)


def redirect_to_self(exchange: ProxiedExchange) -> None:
    """Redirect to the same URL."""
    exchange.send(build_full_response(b"", "302 Found", f"Location: {exchange.request.target}"))


def respond_with_size(size: int, head: bytes = b"", chunk: bytes = b" " * 65536) -> FaultAction:
    """Return an action that sends a body of `size` bytes in small chunks."""

    def action(exchange: ProxiedExchange) -> None:
        exchange.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size + head)
        remaining = size - len(head)
        while remaining > 0:
            exchange.send(chunk[:remaining])
            remaining -= len(chunk)

    return action


def respond_with_bomb(mebibytes: int, layers: int = 1) -> FaultAction:
    """Return an action that sends a small body that decompresses to many mebibytes of spaces."""

    @cache
    def body() -> bytes:
        packed = b" " * (mebibytes * 2**20)
        for _ in range(layers):
            packed = gzip.compress(packed, compresslevel=1)
        return packed

    encoding = "Content-Encoding: " + ", ".join(["gzip"] * layers)
    return lambda exchange: exchange.send(build_full_response(body(), "200 OK", encoding))


# --- changed responses


def modify_json(change: Callable[[Json], None]) -> FaultAction:
    """Return an action that forwards a response after changing its JSON in place."""

    def action(exchange: ProxiedExchange) -> None:
        document = json.loads(exchange.fetch_response())
        change(document)
        exchange.send(build_full_response(json.dumps(document).encode()))

    return action


def replace_bytes(old: bytes, new: bytes) -> FaultAction:
    """Return an action that forwards a response with the first occurrence of some bytes replaced."""

    def action(exchange: ProxiedExchange) -> None:
        body = exchange.fetch_response()
        assert old in body
        exchange.send(build_full_response(body.replace(old, new, 1)))

    return action


def duplicate_label(exchange: ProxiedExchange) -> None:
    """Put another value of the first label of the first series in front of it."""
    body, count = re.subn(rb'"metric":\{("[^"]+":)', rb'"metric":{\1"x",\1', exchange.fetch_response(), count=1)
    assert count == 1
    exchange.send(build_full_response(body))


def truncate_json(exchange: ProxiedExchange) -> None:
    """Cut off the last bytes of the JSON, with a matching Content-Length."""
    exchange.send(build_full_response(exchange.fetch_response()[:-7]))


def set_sample_values(text: str) -> FaultAction:
    """Return an action that gives every sample the same value."""

    def change(document: Json) -> None:
        for sample in document["data"]["result"]:
            sample["value"][1] = text

    return modify_json(change)


def replace_result(kind: str, convert: Callable[[Json], Json]) -> FaultAction:
    """Return an action that converts the result to another result type."""

    def change(document: Json) -> None:
        document["data"] = {"resultType": kind, "result": convert(document["data"]["result"])}

    return modify_json(change)


def to_range_result(result: Json) -> Json:
    """Convert the result of an instant query to that of a range query."""
    return [{"metric": sample["metric"], "values": [sample["value"]]} for sample in result]


def to_histograms(result: Json) -> Json:
    """Convert float samples to native histograms."""
    return [{"metric": sample["metric"], "histogram": [sample["value"][0], {"count": "2"}]} for sample in result]


def add_keys(**extra: Json) -> FaultAction:
    """Return an action that adds top-level keys to the response."""
    return modify_json(lambda document: document.update(extra))


def duplicate_series(document: Json) -> None:
    """Add each series a second time with other labels, as replicas without deduplication do."""
    for sample in list(document["data"]["result"]):
        metric = sample["metric"] | {"net_host_name": "9.9.9.9", "machine": "riscv64"}
        document["data"]["result"].insert(0, {"metric": metric, "value": sample["value"]})


def add_giant_label(document: Json) -> None:
    """Give each series a label of one megabyte."""
    for sample in document["data"]["result"]:
        sample["metric"]["icos_host_name"] = "x" * 10**6
