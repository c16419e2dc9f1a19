"""The gateway before a real Thanos: replicas, stores that die, hang or are forgotten, a receiver."""

import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import grpc
import pytest

from aggregator import settings
from aggregator.doctor.examine import examined
from aggregator.doctor.report import Report
from aggregator.secrets import NONE_KNOWN
from demo import prometheus as prometheus_2
from demo.prometheus import free_port
from tests.integration.process import Gateway, running, until
from tests.integration.scraping import assert_scraped
from tests.server.call import call
from tests.server.exchange import ask
from tests.thanos.exporter import Exporter, exporting, hosts
from tests.thanos.programs import Program, Programs, programs, status
from tests.thanos.remote_write import push
from tools.parts.thanos import Parts, obtain

# Thanos forgets a store that is not strict some nine seconds after it died.
FORGOTTEN_SECONDS = 30.0


@pytest.fixture(scope="session")
def parts() -> Parts:
    """The programs, from the cache."""
    return obtain()


@pytest.fixture
def stack(parts: Parts, tmp_path: Path) -> Iterator[Programs]:
    """What starts programs."""
    with programs(parts, tmp_path) as started:
        yield started


@pytest.fixture
def exporter() -> Iterator[Exporter]:
    """An exporter that shows two hosts of the cluster rome."""
    with exporting(hosts("rome", "a", "b")) as started:
        yield started


def gateway(stack: Programs, *upstreams: str, **settings: str) -> AbstractContextManager[Gateway]:
    """Run a gateway before these upstreams that refreshes as often as it may."""
    chosen = {"PROMETHEUS_ADDRESS": ",".join(upstreams), "REFRESH_INTERVAL": "0.5", "LOG_LEVEL": "debug"}
    return running(stack.folder, **(chosen | settings))


def nodes(started: Gateway) -> list[str]:
    """Return cluster/node of each node that is served."""
    clusters = ask(started.http).json().get("cluster") or {}
    return sorted(f"{cluster}/{node}" for cluster, found in clusters.items() for node in found.get("node") or {})


def is_complete(started: Gateway) -> bool:
    """Return what both transports say, once they agree."""

    def look() -> str:
        over_http = ask(started.http).headers["X-Topology-Complete"]
        over_grpc = call(started.grpc).trailing["x-topology-complete"]
        return over_http if over_http == over_grpc else ""

    return until(look, "HTTP and gRPC agree") == "true"


def gaps(started: Gateway) -> str:
    """Return the gaps of the last refresh, as logged."""
    return " | ".join((started.events("refreshed") or [{}])[-1].get("gaps", ()))


def wait_for(started: Gateway, expected: list[str], *, complete: bool = True) -> None:
    """Wait until just these nodes are served, marked or not."""
    until(lambda: ask(started.http).status == 200 and nodes(started) == expected, f"{expected}", 40)
    until(lambda: is_complete(started) is complete, f"complete {complete}: {gaps(started)}")


def replicas(stack: Programs, exporter: Exporter) -> tuple[tuple[Program, Program], tuple[Program, Program]]:
    """Start two replicas that scrape one exporter."""
    return stack.replica("a", exporter.target), stack.replica("b", exporter.target)


BOTH = ["rome/a", "rome/b"]


def test_one_replica_dies(stack: Programs, exporter: Exporter) -> None:
    """With deduplication two replicas are one system without contradictions, and one of them is enough for all."""
    (prometheus, sidecar), (_, other) = replicas(stack, exporter)
    query = stack.query(sidecar, other)
    with gateway(stack, query.url) as started:
        wait_for(started, BOTH)
        assert "conflict" not in started.events("refreshed")[-1]
        before = len(started.events("refreshed"))
        prometheus.kill()
        sidecar.kill()

        def has_warned() -> bool:
            # Of the log, which keeps what is shown for a few seconds only.
            since = started.events("refreshed")[before:]
            return any("upstream warning" in gap for line in since for gap in line.get("gaps", ()))

        until(has_warned, "Thanos warns of the dead store", FORGOTTEN_SECONDS)
        until(lambda: is_complete(started), "the dead store is forgotten", FORGOTTEN_SECONDS)
        assert nodes(started) == BOTH


def test_both_replicas_die_and_are_forgotten(stack: Programs, exporter: Exporter) -> None:
    """First Thanos warns; once it has forgotten them it does not, and what vanished is told until the time is over."""
    both = replicas(stack, exporter)
    remote_write = free_port()
    receiver = stack.receiver(remote_write)
    labels = {"cluster": "oslo", "node": "c", "nodename": "c"}
    push(remote_write, [({"__name__": "node_uname_info", **labels}, 1.0)], time.time())
    query = stack.query(*(sidecar for _, sidecar in both), receiver)
    with gateway(stack, query.url, VANISHED_NOTICE="25") as started:
        wait_for(started, ["oslo/c", *BOTH])
        for pair in both:
            for program in pair:
                program.kill()
        wait_for(started, ["oslo/c"], complete=False)
        until(lambda: "upstream warning" not in gaps(started), "the dead stores are forgotten", FORGOTTEN_SECONDS)
        assert "clusters: vanished: cluster rome with 2 nodes" in gaps(started)
        assert not is_complete(started)
        assert nodes(started) == ["oslo/c"]
        until(lambda: is_complete(started), "the notice is over", FORGOTTEN_SECONDS)


def test_a_receiver_that_dies_is_told(stack: Programs, exporter: Exporter) -> None:
    """A cluster that only the receiver knows of vanishes with it, and is complete again when it is back."""
    _, sidecar = stack.replica("a", exporter.target)
    remote_write = free_port()
    receiver = stack.receiver(remote_write)
    labels = {"cluster": "oslo", "node": "c", "nodename": "c"}
    push(remote_write, [({"__name__": "node_uname_info", **labels}, 1.0)], time.time())
    query = stack.query(sidecar, receiver)
    with gateway(stack, query.url) as started:
        wait_for(started, ["oslo/c", *BOTH])
        with receiver.hung():
            wait_for(started, BOTH, complete=False)
        wait_for(started, ["oslo/c", *BOTH])


def test_a_store_that_is_strict_is_never_forgotten(stack: Programs, exporter: Exporter) -> None:
    """While a strict store is away Thanos warns for ever, and the gap names it."""
    (prometheus, sidecar), (_, other) = replicas(stack, exporter)
    query = stack.query(sidecar, other, strict=True)
    with gateway(stack, query.url) as started:
        wait_for(started, BOTH)
        prometheus.kill()
        sidecar.kill()
        killed_at = time.monotonic()
        wait_for(started, BOTH, complete=False)
        until(lambda: time.monotonic() - killed_at > 15, "longer than stores are remembered")
        assert not is_complete(started)
        assert f"127.0.0.1:{sidecar.api}" in gaps(started)


def test_a_store_that_hangs(stack: Programs, exporter: Exporter) -> None:
    """What the others have is served, marked, and it is whole again once the store answers."""
    (_, sidecar), (_, other) = replicas(stack, exporter)
    query = stack.query(sidecar, other, strict=True)
    # All queries at once: each takes as long as Thanos waits for the store, and a refresh is rested from for longer.
    with gateway(stack, query.url, QUERY_CONCURRENCY="60") as started:
        wait_for(started, BOTH)
        with sidecar.hung():
            wait_for(started, BOTH, complete=False)
        wait_for(started, BOTH)


def test_no_partial_answers_where_they_are_not_wanted(stack: Programs, exporter: Exporter) -> None:
    """With PARTIAL_RESPONSE=abort the last whole topology stays, then there is none; never one that is partial."""
    (prometheus, sidecar), (_, other) = replicas(stack, exporter)
    query = stack.query(sidecar, other, strict=True)
    with gateway(stack, query.url, PARTIAL_RESPONSE="abort", MAX_STALE="4") as started:
        wait_for(started, BOTH)
        prometheus.kill()
        sidecar.kill()
        until(lambda: not is_complete(started), "the failure is told")
        assert nodes(started) == BOTH
        assert "HTTP 422: execution: " in started.events("refresh failed")[-1]["reason"]
        until(lambda: ask(started.http).status == 503, "the last topology is too old")
        assert call(started.grpc).code is grpc.StatusCode.UNAVAILABLE


def test_duplicates_without_deduplication(stack: Programs, exporter: Exporter) -> None:
    """Replicas that Thanos does not merge show each host once, and what they contradict each other in is counted."""
    with exporting(hosts("rome", "a", "b", machine="aarch64")) as different:
        _, sidecar = stack.replica("a", exporter.target)
        _, other = stack.replica("b", different.target)
        query = stack.query(sidecar, other, labels=())
        with gateway(stack, query.url, THANOS="off") as started:
            wait_for(started, BOTH)
            until(lambda: started.events("refreshed")[-1].get("conflict") == 2, "contradictions of two hosts")
            architectures = {
                node["staticMetrics"]["cpuArchitecture"]
                for node in ask(started.http).json()["cluster"]["rome"]["node"].values()
            }
            assert architectures == {"x86_64"}


def asked(started: Gateway) -> list[bool]:
    """Return whether Thanos' parameters were sent, once that was found out."""
    return [line["thanos"] for line in started.events("upstream found out")]


def test_thanos_is_told_from_prometheus(stack: Programs, exporter: Exporter) -> None:
    """Thanos Query, and a Query Frontend before it, are found out; Prometheus 2 and 3 are none, and all are served."""
    prometheus, sidecar = stack.replica("a", exporter.target)
    query = stack.query(sidecar)
    frontend = stack.frontend(query)
    config = prometheus_2.scrape_config([exporter.target])
    (stack.folder / "two").mkdir()
    with prometheus_2.running(stack.folder / "two", config) as two:
        for url, is_thanos in ((query.url, True), (frontend.url, True), (prometheus.url, False), (two, False)):
            assert (status(int(url.rpartition(":")[2]), "/api/v1/stores") == 200) is is_thanos
            with gateway(stack, url) as started:
                wait_for(started, BOTH)
                assert asked(started) == [is_thanos]


def diagnosis(url: str) -> Report:
    """Return what the doctor finds before an upstream."""
    return examined(settings.read({"PROMETHEUS_ADDRESS": url}), NONE_KNOWN)


def test_the_doctor_tells_what_it_is(stack: Programs, exporter: Exporter) -> None:
    """Thanos Query, a Query Frontend before it and Prometheus 3 are told by name and version."""
    prometheus, sidecar = stack.replica("a", exporter.target)
    query = stack.query(sidecar)
    frontend = stack.frontend(query)
    told = [diagnosis(program.url).upstreams[0] for program in (query, frontend, prometheus)]
    assert [(seen.kind, seen.version.split(".")[0]) for seen in told] == [
        ("Thanos", "0"),
        ("Thanos", "0"),
        ("Prometheus", "3"),
    ]


def test_the_doctor_tells_of_a_store_that_is_away(stack: Programs, exporter: Exporter) -> None:
    """A Thanos that lacks a store gives partial answers, and its own words name the store."""
    (prometheus, sidecar), (_, other) = replicas(stack, exporter)
    query = stack.query(sidecar, other, strict=True)
    until(lambda: "partial-answers" not in found(query.url), "both stores are known")
    prometheus.kill()
    sidecar.kill()
    until(lambda: f"127.0.0.1:{sidecar.api}" in found(query.url).get("partial-answers", ""), "the store is named", 40)


def test_the_doctor_tells_of_duplicates(stack: Programs, exporter: Exporter) -> None:
    """Replicas that Thanos does not merge are told with the label that tells them apart; merged ones are well."""
    (_, sidecar), (_, other) = replicas(stack, exporter)
    told = "; they differ in replica"
    query = stack.query(sidecar, other, labels=())
    until(lambda: found(query.url).get("duplicates", "").endswith(told), "duplicates are told", 40)
    merged = stack.query(sidecar, other)
    until(lambda: diagnosis(merged.url).totals is not None, "stores are known")
    assert "duplicates" not in found(merged.url)


def found(url: str) -> dict[str, str]:
    """Return what is wrong before an upstream, by code."""
    return {finding.code: finding.what for finding in diagnosis(url).problems}


def test_prometheus_3_scrapes_the_gateway(parts: Parts, stack: Programs, exporter: Exporter, tmp_path: Path) -> None:
    """Its own metrics are what a Prometheus 3 takes without complaint."""
    (upstream, _sidecar), _ = replicas(stack, exporter)
    with gateway(stack, upstream.url) as started:
        wait_for(started, BOTH)
        folder = tmp_path / "scraper"
        folder.mkdir()
        assert_scraped(folder, [f"127.0.0.1:{started.http}"], prometheus_2.Binaries(parts.prometheus, parts.promtool))


def test_several_sources_one_dies_and_is_back(stack: Programs, exporter: Exporter) -> None:
    """A source that dies keeps its part, in a gap that names it; when it is back all is complete."""
    with exporting(hosts("", "c")) as plain:
        port = free_port()
        eu, us = stack.prometheus("eu", exporter.target), stack.prometheus("us", plain.target, port)
        with gateway(stack, f"{eu.url}#name=eu", f"{us.url}#name=us&cluster=dallas") as started:
            wait_for(started, ["dallas/c", *BOTH])
            us.kill()
            wait_for(started, ["dallas/c", *BOTH], complete=False)
            assert "source us: " in gaps(started)
            assert "because connection refused" in gaps(started)
            stack.prometheus("us", plain.target, port)
            wait_for(started, ["dallas/c", *BOTH])
