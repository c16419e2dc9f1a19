"""What the proxy can do to an answer: break it off, hold it back, replace it, change it."""

import gzip
import json
from collections.abc import Callable
from functools import cache
from typing import Any

from tests.faults.proxy import Deed, Exchange, whole

BYTES_TO_DRIP = 0.005
Json = Any


# --- the connection


def reset(exchange: Exchange) -> None:
    """Break the connection before anything is said."""
    exchange.reset()


def reset_midway(exchange: Exchange) -> None:
    """Break the connection in the middle of the body."""
    body = exchange.answer()
    exchange.send(whole(body)[: -len(body) // 2])
    exchange.reset()


def half_a_body(exchange: Exchange) -> None:
    """End the body before the length that was announced."""
    body = exchange.answer()
    exchange.send(whole(body)[: -len(body) // 2])
    exchange.close()


def length(change: int) -> Deed:
    """Return what announces a length that is wrong by so many bytes, then closes."""

    def deed(exchange: Exchange) -> None:
        body = exchange.answer()
        exchange.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (len(body) + change) + body)
        exchange.close()

    return deed


def sends(data: bytes) -> Deed:
    """Return what sends bytes that are no whole response, then closes."""

    def deed(exchange: Exchange) -> None:
        exchange.send(data)
        exchange.close()

    return deed


# --- time


def hangs_after(data: bytes) -> Deed:
    """Return what sends some bytes and then nothing until the gateway leaves."""

    def deed(exchange: Exchange) -> None:
        exchange.send(data)
        exchange.wait_until_left()

    return deed


def drips(head: bytes, drop: bytes) -> Deed:
    """Return what goes on for ever a few bytes at a time, so that there is always a sign of life."""

    def deed(exchange: Exchange) -> None:
        exchange.send(head)
        while not exchange.is_over.wait(BYTES_TO_DRIP):
            exchange.send(drop)

    return deed


# --- other answers


def says(body: bytes, status: str = "200 OK", *headers: str) -> Deed:
    """Return what answers with a whole response of its own."""
    return lambda exchange: exchange.send(whole(body, status, *headers))


def refuses(status: str, kind: str, *headers: str) -> Deed:
    """Return what refuses as Prometheus does, with a status and a reason in JSON."""
    reason = {"status": "error", "errorType": kind, "error": "the reason for it"}
    return says(json.dumps(reason).encode(), status, "Content-Type: application/json", *headers)


def redirects(exchange: Exchange) -> None:
    """Answer with a redirect to the very same."""
    exchange.send(whole(b"", "302 Found", f"Location: {exchange.request.target}"))


def pours(size: int, head: bytes = b"", drop: bytes = b" " * 65536) -> Deed:
    """Return what sends a body of so many bytes, of which it holds no more than a drop at a time."""

    def deed(exchange: Exchange) -> None:
        exchange.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size + head)
        left = size - len(head)
        while left > 0:
            exchange.send(drop[:left])
            left -= len(drop)

    return deed


def bomb(mebibytes: int, layers: int = 1) -> Deed:
    """Return what answers with a small body that unpacks to so many mebibytes of nothing."""

    @cache
    def body() -> bytes:
        packed = b" " * (mebibytes * 2**20)
        for _ in range(layers):
            packed = gzip.compress(packed, compresslevel=1)
        return packed

    encoding = "Content-Encoding: " + ", ".join(["gzip"] * layers)
    return lambda exchange: exchange.send(whole(body(), "200 OK", encoding))


# --- changed answers


def changes(change: Callable[[Json], None]) -> Deed:
    """Return what passes an answer on after its JSON was changed in place."""

    def deed(exchange: Exchange) -> None:
        document = json.loads(exchange.answer())
        change(document)
        exchange.send(whole(json.dumps(document).encode()))

    return deed


def patches(old: bytes, new: bytes) -> Deed:
    """Return what passes an answer on with some bytes in the place of others, the first time that they occur."""

    def deed(exchange: Exchange) -> None:
        body = exchange.answer()
        assert old in body
        exchange.send(whole(body.replace(old, new, 1)))

    return deed


def cuts(exchange: Exchange) -> None:
    """Leave the last bytes of the JSON out, with a length that fits."""
    exchange.send(whole(exchange.answer()[:-7]))


def values(text: str) -> Deed:
    """Return what gives every sample the same value."""

    def change(document: Json) -> None:
        for sample in document["data"]["result"]:
            sample["value"][1] = text

    return changes(change)


def result(kind: str, of: Callable[[Json], Json]) -> Deed:
    """Return what answers with another type of result, made of the right one."""

    def change(document: Json) -> None:
        document["data"] = {"resultType": kind, "result": of(document["data"]["result"])}

    return changes(change)


def in_time(found: Json) -> Json:
    """Return the result of a range query for that of an instant query."""
    return [{"metric": sample["metric"], "values": [sample["value"]]} for sample in found]


def as_histograms(found: Json) -> Json:
    """Return native histograms for plain numbers."""
    return [{"metric": sample["metric"], "histogram": [sample["value"][0], {"count": "2"}]} for sample in found]


def adds(**beside: Json) -> Deed:
    """Return what puts further keys beside the data."""
    return changes(lambda document: document.update(beside))


def twins(document: Json) -> None:
    """Add each series a second time, as a replica without deduplication shows it: other labels, another value."""
    for sample in list(document["data"]["result"]):
        metric = sample["metric"] | {"net_host_name": "9.9.9.9", "machine": "riscv64"}
        document["data"]["result"].insert(0, {"metric": metric, "value": sample["value"]})


def giant(document: Json) -> None:
    """Give each series a label of a megabyte."""
    for sample in document["data"]["result"]:
        sample["metric"]["icos_host_name"] = "x" * 10**6
