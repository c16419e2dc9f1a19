"""What the gateway holds on to when it gets more than it likes: bytes, clients, descriptors, clocks."""

import contextlib
import resource
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from aggregator.models.catalog import CATALOG
from demo.prometheus import Moment, holding
from tests.faults import crowd, deeds
from tests.faults.proxy import Exchange, proxy, whole
from tests.faults.stage import prometheus, stage
from tests.faults.table import MEMORY
from tests.integration.process import running, until
from tests.integration.telemetry import fleet
from tests.server.call import call
from tests.server.exchange import ask

MANY = 3_000
CLIENTS = 1_000
DESCRIPTORS = 64
SLOW_READERS = 30
# What a machine that is busy with other tests may need for one answer.
SECONDS_AN_ANSWER = 2.0
LARGE_BYTES = 100 * 2**20
CAP_BYTES = 256 * 2**20
QUIET = {"REFRESH_INTERVAL": "60", "MAX_STALE": "3600"}


@pytest.fixture(scope="module")
def upstream() -> Iterator[str]:
    """A Prometheus that holds two nodes."""
    with prometheus() as url:
        yield url


def series(size: int) -> bytes:
    """Return an answer of at least so many bytes, as Prometheus writes it: series of a host that nobody knows."""
    one = b'{"metric":{"icos_host_id":"ffffffff","icos_host_name":"08c66cd5:nobody"},"value":[1795208200.5,"8e9"]}'
    result = b",".join([one] * (size // len(one) + 1))
    return b'{"status":"success","data":{"resultType":"vector","result":[' + result + b"]}}"


def test_answers_of_100_mb_and_over_the_cap_are_borne(upstream: str, tmp_path: Path) -> None:
    """An answer of 100 MB is read in bounded memory, and of one over the cap of 256 MiB nothing is kept."""
    large, over_the_cap = deeds.says(series(LARGE_BYTES)), deeds.pours(CAP_BYTES + 1)

    def does(exchange: Exchange) -> None:
        (large if MEMORY in exchange.request.promql else over_the_cap)(exchange)

    with stage(upstream, tmp_path, REFRESH_INTERVAL="0.2", REFRESH_TIMEOUT="60", QUERY_TIMEOUT="50") as on:
        with on.proxy.doing(does, "node_memory_Mem"):
            until(lambda: on.gateway.events("refreshed")[-1].get("gaps"), "both were met", 60)
            told = on.gateway.log
        # The body and its samples; and the pieces of a body that is read up to the cap and then dropped.
        assert on.peak_mebibytes() < 1200
        assert {*on.over_http().memory_bytes.values()} == {None}
        assert not on.over_grpc().is_complete
    assert f"larger than {CAP_BYTES} bytes" in told
    assert "samples without a place" in told


async def test_a_thousand_at_once_on_a_cold_start_are_one_refresh(upstream: str, tmp_path: Path) -> None:
    """A thousand clients that all want fresh data before there is any get it from exactly one refresh."""

    def held(exchange: Exchange) -> None:
        exchange.is_over.wait(0.2)
        exchange.send(whole(exchange.answer()))

    with (
        proxy(upstream) as between,
        between.doing(held),
        running(tmp_path, PROMETHEUS_ADDRESS=between.url, **QUIET) as on,
    ):
        until(lambda: between.times, "the first refresh is under way")
        told = await crowd.statuses(on.http, CLIENTS, crowd.FRESH)
        assert told == [b"HTTP/1.1 200 OK"] * CLIENTS
        assert len(between.times) == 1
        assert between.most_often() == 1
        assert sum(between.asked.values()) == len(CATALOG)


def test_readers_who_are_slow_take_nothing_from_others(tmp_path: Path) -> None:
    """Thirty clients that read a byte at a time neither hold others up nor cost a copy of the answer each."""
    with contextlib.ExitStack() as stack:
        url = stack.enter_context(holding([Moment(fleet(MANY), time.time())]))
        on = stack.enter_context(running(tmp_path, PROMETHEUS_ADDRESS=url, **QUIET))
        until(lambda: ask(on.http, "/readyz").status == 200, "ready")
        size = len(ask(on.http).body)
        before = psutil.Process(on.process.pid).memory_info().rss
        slow = [stack.enter_context(crowd.slow_reader(on.http)) for _ in range(SLOW_READERS)]
        for reader in slow:
            assert reader.recv(1) == b"H"
        began = time.monotonic()
        assert len(ask(on.http).body) == size
        assert time.monotonic() - began < SECONDS_AN_ANSWER
        assert len(call(on.grpc).model.nodes) == MANY
        grown = psutil.Process(on.process.pid).memory_info().rss - before
        assert [reader.recv(1) for reader in slow] == [b"T"] * SLOW_READERS
    assert grown < SLOW_READERS * size / 2


def test_without_descriptors_it_stays_and_recovers(upstream: str, tmp_path: Path) -> None:
    """With 64 descriptors and a hundred clients the log stays short, and all is well when the clients have gone."""
    with stage(upstream, tmp_path, REFRESH_INTERVAL="0.2") as on:
        process = on.gateway.process
        resource.prlimit(process.pid, resource.RLIMIT_NOFILE, (DESCRIPTORS, DESCRIPTORS))
        lines, asked = on.gateway.log.count("\n"), len(on.proxy.times)
        with contextlib.ExitStack() as clients:
            for _ in range(2 * DESCRIPTORS):
                clients.enter_context(socket.create_connection(("127.0.0.1", on.gateway.http), timeout=5))
            until(lambda: on.descriptors() >= DESCRIPTORS, "no descriptor is left")
            until(lambda: on.gateway.log.count("\n") >= lines + 4, "some refreshes without descriptors")
        until(lambda: on.over_http().is_complete and on.over_grpc().is_complete, "all is well again")
        refreshes = max(len(on.proxy.times) - asked, len(on.gateway.lines()))
        assert on.gateway.log.count("\n") - lines < 3 * refreshes + 20
        assert process.poll() is None
