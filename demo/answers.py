"""The answers of a simulated fleet to the catalog's queries, written as Prometheus writes them, without one."""

from collections.abc import Iterable, Iterator
from decimal import Decimal

import msgspec
import zstandard

from aggregator.models.build import reading_order
from aggregator.models.catalog import CATALOG
from aggregator.recording.lines import Answer
from aggregator.recording.writer import Writer
from demo import machine_series
from demo.fleet import Fleet, expose
from demo.inventory import Host
from demo.page import Page
from demo.promql import Evaluate, Series, compiled
from demo.scene import Scene

SOURCE = "demo"
UP = 'up{job="fleet",instance="127.0.0.1:9100"} 1\n'
_HEAD = b'{"status":"success","data":{"resultType":"vector","result":['
_TAIL = b"]}}"


def record(writer: Writer, scenes: Iterable[Scene], at_seconds: float) -> None:
    """Write one refresh: the answers to all queries, over all scenes, of which no two tell of one object."""
    spools = [_Spool(compiled(row.ask.text), at_seconds) for row in CATALOG]
    for scene in scenes:
        for spool in spools:
            spool.add(scene)
    by_name = dict(zip((row.name for row in CATALOG), spools, strict=True))
    for row in reading_order(CATALOG):
        body = by_name[row.name].body()
        answer = Answer(query=row.name, source=SOURCE, promql=row.ask.text, seconds=0.0, bytes=len(body))
        writer.answer(answer, body)
    writer.refreshed(at_seconds)


def whole(fleet: Fleet, at_seconds: float) -> Iterator[Scene]:
    """Yield one scene of a whole fleet."""
    yield _scene(fleet, fleet.hosts_at(at_seconds), at_seconds)


def host_by_host(fleet: Fleet, at_seconds: float) -> Iterator[Scene]:
    """Yield a scene for each host: of a large fleet only one is in memory at a time."""
    for host in fleet.hosts_at(at_seconds):
        yield _scene(fleet, (host,), at_seconds)


def _scene(fleet: Fleet, hosts: Iterable[Host], at_seconds: float) -> Scene:
    page = Page()
    for host in hosts:
        expose(page, fleet, host, at_seconds)
    return Scene(at_seconds, page.text() + UP, lambda before: _counters(hosts, at_seconds - before))


def _counters(hosts: Iterable[Host], at_seconds: float) -> str:
    page = Page()
    for host in hosts:
        machine_series.processors(page, host, at_seconds)
        machine_series.network(page, host, at_seconds)
    return page.text()


class _Spool:
    """One row's answer as it grows, packed."""

    def __init__(self, evaluate: Evaluate, at_seconds: float) -> None:
        self._evaluate = evaluate
        self._at_seconds = at_seconds
        self._packer = zstandard.ZstdCompressor(level=1).compressobj()
        self._packed = [self._packer.compress(_HEAD)]
        self._is_empty = True
        self._is_one = False

    def add(self, scene: Scene) -> None:
        """Add what a scene answers; of what is about everything, each scene answers the same."""
        found = self._evaluate(scene)
        if self._is_one or not isinstance(found, list) or not found:
            return
        self._is_one = not found[0].labels
        text = b",".join(self._written(series) for series in found)
        self._packed.append(self._packer.compress(text if self._is_empty else b"," + text))
        self._is_empty = False

    def body(self) -> bytes:
        """Return the whole answer."""
        packed = b"".join((*self._packed, self._packer.compress(_TAIL), self._packer.flush()))
        with zstandard.ZstdDecompressor().stream_reader(packed) as reader:
            return reader.readall()

    def _written(self, series: Series) -> bytes:
        return msgspec.json.encode({"metric": series.labels, "value": [self._at_seconds, number_text(series.value)]})


def number_text(value: float) -> str:
    """Return a number as Prometheus writes it: as short as it can be told apart, never with an exponent."""
    if value == int(value) and abs(value) < 2**53:
        return str(int(value))
    text = repr(value)
    return format(Decimal(text), "f") if "e" in text else text
