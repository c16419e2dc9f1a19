"""The gateway with a real Thanos: replicas, stores that fail or hang, and a receiver."""

import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import grpc
import pytest

from aggregator.cli.doctor.command import build_doctor_report
from aggregator.cli.doctor.report import DoctorReport
from aggregator.observability.redaction import PATTERN_REDACTOR
from aggregator.settings import settings
from aggregator.settings.gateway import Settings
from demo import prometheus as prometheus_2
from demo.prometheus import find_free_port
from tests.integration.gateway_process import GatewayProcess, run_gateway, wait_until
from tests.integration.scrape_check import assert_scrapable
from tests.scrape.prometheus_check import check_prometheus_scrapes
from tests.support.grpc_client import call_method
from tests.support.http_client import send_request
from tests.thanos.fake_exporter import FakeExporter, build_host_exposition, run_exporter
from tests.thanos.processes import ManagedProcess, ProcessManager, get_status, manage_processes
from tests.thanos.remote_write import push_samples
from tools.parts.thanos import ThanosBinaries, obtain_thanos_binaries

# Thanos removes a store that is not strict about nine seconds after it failed.
STORE_REMOVAL_SECONDS = 30.0


@pytest.fixture(scope="session")
def binaries() -> ThanosBinaries:
    """The binaries from the cache."""
    return obtain_thanos_binaries()


@pytest.fixture
def manager(binaries: ThanosBinaries, tmp_path: Path) -> Iterator[ProcessManager]:
    """A process manager for the test."""
    with manage_processes(binaries, tmp_path) as manager:
        yield manager


@pytest.fixture
def exporter() -> Iterator[FakeExporter]:
    """An exporter with two hosts of the cluster rome."""
    with run_exporter(build_host_exposition("rome", "a", "b")) as running:
        yield running


def run_thanos_gateway(
    manager: ProcessManager, *upstreams: str, **settings: str
) -> AbstractContextManager[GatewayProcess]:
    """Run a gateway with these upstreams and frequent refreshes: the fewer queries, the sooner the next refresh."""
    defaults = {
        "PROMETHEUS_ADDRESS": ",".join(upstreams),
        "REFRESH_INTERVAL": "0.5",
        "LOG_LEVEL": "debug",
        "TELEMETRY": "docker",
    }
    return run_gateway(manager.folder, **(defaults | settings))


def list_served_nodes(gateway: GatewayProcess, time_text: str = "") -> list[str]:
    """Return cluster/node of each node that is served, now or at a past time."""
    clusters = send_request(gateway.http_port, f"/?time={time_text}").json().get("cluster") or {}
    return sorted(f"{cluster}/{node}" for cluster, document in clusters.items() for node in document.get("node") or {})


def is_complete(gateway: GatewayProcess) -> bool:
    """Return whether the topology is complete, once both transports agree."""

    def read_both() -> str:
        over_http = send_request(gateway.http_port).headers["X-Topology-Complete"]
        over_grpc = call_method(gateway.grpc_port).trailing_metadata["x-topology-complete"]
        return over_http if over_http == over_grpc else ""

    return wait_until(read_both, "HTTP and gRPC agree") == "true"


def read_gaps(gateway: GatewayProcess) -> str:
    """Return the gaps of the last refresh from the log."""
    return " | ".join((gateway.find_events("refresh succeeded") or [{}])[-1].get("gaps", ()))


def wait_for_nodes(gateway: GatewayProcess, expected: list[str], *, complete: bool = True) -> None:
    """Wait until exactly these nodes are served, complete or not."""
    wait_until(
        lambda: send_request(gateway.http_port).status == 200 and list_served_nodes(gateway) == expected,
        f"{expected}",
        40,
    )
    wait_until(lambda: is_complete(gateway) is complete, f"complete {complete}: {read_gaps(gateway)}")


def start_replicas(
    manager: ProcessManager, exporter: FakeExporter
) -> tuple[tuple[ManagedProcess, ManagedProcess], tuple[ManagedProcess, ManagedProcess]]:
    """Start two replicas that scrape the same exporter."""
    return manager.start_replica("a", exporter.target), manager.start_replica("b", exporter.target)


BOTH_NODES = ["rome/a", "rome/b"]


def test_one_replica_fails(manager: ProcessManager, exporter: FakeExporter) -> None:
    """With deduplication, two replicas have no conflicts, and one of them is sufficient."""
    (prometheus, sidecar), (_, other) = start_replicas(manager, exporter)
    query = manager.start_query(sidecar, other)
    with run_thanos_gateway(manager, query.url) as gateway:
        wait_for_nodes(gateway, BOTH_NODES)
        assert "conflict" not in gateway.find_events("refresh succeeded")[-1]
        refreshes_before = len(gateway.find_events("refresh succeeded"))
        prometheus.kill()
        sidecar.kill()

        def has_warned() -> bool:
            # Search the log, because the warning lasts only a few seconds.
            refreshes = gateway.find_events("refresh succeeded")[refreshes_before:]
            return any("upstream warning" in gap for line in refreshes for gap in line.get("gaps", ()))

        wait_until(has_warned, "a warning about the failed store", STORE_REMOVAL_SECONDS)
        wait_until(lambda: is_complete(gateway), "the failed store is removed", STORE_REMOVAL_SECONDS)
        assert list_served_nodes(gateway) == BOTH_NODES


def test_both_replicas_fail_and_are_removed(manager: ProcessManager, exporter: FakeExporter) -> None:
    """After Thanos has removed both stores, the missing cluster stays a gap for VANISHED_NOTICE."""
    both = start_replicas(manager, exporter)
    remote_write = find_free_port()
    receiver = manager.start_receiver(remote_write)
    labels = {"cluster": "oslo", "node": "c", "nodename": "c"}
    push_samples(remote_write, [({"__name__": "node_uname_info", **labels}, 1.0)], time.time())
    query = manager.start_query(*(sidecar for _, sidecar in both), receiver)
    with run_thanos_gateway(manager, query.url, VANISHED_NOTICE="25") as gateway:
        wait_for_nodes(gateway, ["oslo/c", *BOTH_NODES])
        for pair in both:
            for program in pair:
                program.kill()
        wait_for_nodes(gateway, ["oslo/c"], complete=False)
        wait_until(
            lambda: "upstream warning" not in read_gaps(gateway), "the failed stores are removed", STORE_REMOVAL_SECONDS
        )
        assert "clusters: vanished: cluster rome with 2 nodes" in read_gaps(gateway)
        assert not is_complete(gateway)
        assert list_served_nodes(gateway) == ["oslo/c"]
        wait_until(lambda: is_complete(gateway), "the end of the notice", STORE_REMOVAL_SECONDS)


def build_old_exposition(at_seconds: int) -> str:
    """Return a minute of samples about one host of the cluster rome, in OpenMetrics."""
    labels = 'cluster="rome",node="old",nodename="old"'
    samples = [f"node_uname_info{{{labels}}} 1 {at_seconds + offset}" for offset in range(-30, 31, 5)]
    return "\n".join(["# TYPE node_uname_info gauge", *samples, "# EOF", ""])


def test_past_topologies(manager: ProcessManager, exporter: FakeExporter) -> None:
    """With `time=`, the topology is as it was: a moment ago from the sidecar, yesterday from the store gateway."""
    yesterday = int(time.time()) - 86_400
    store = manager.start_store_gateway(build_old_exposition(yesterday))
    _, sidecar = manager.start_replica("a", exporter.target)
    query = manager.start_query(sidecar, store)
    with run_thanos_gateway(manager, query.url) as gateway:
        wait_for_nodes(gateway, BOTH_NODES)
        earlier = send_request(gateway.http_port).headers["X-Topology-Time"]
        exporter.text = build_host_exposition("rome", "b")
        wait_for_nodes(gateway, ["rome/b"], complete=False)
        assert list_served_nodes(gateway, earlier) == BOTH_NODES
        wait_until(lambda: list_served_nodes(gateway, str(yesterday)) == ["rome/old"], "the blocks of yesterday")
        answer = send_request(gateway.http_port, f"/api/v1/diff?from={yesterday}&to={earlier}&kind=nodes&fields=name")
        changes = [(change["type"], change["name"]) for change in answer.json()["changes"]]
        assert sorted(changes) == [("ADDED", "a"), ("ADDED", "b"), ("REMOVED", "old")]
        assert list_served_nodes(gateway) == ["rome/b"]


def test_a_hanging_receiver_is_a_gap(manager: ProcessManager, exporter: FakeExporter) -> None:
    """While a receiver hangs, its cluster is missing and the topology incomplete; it recovers with the receiver."""
    _, sidecar = manager.start_replica("a", exporter.target)
    remote_write = find_free_port()
    receiver = manager.start_receiver(remote_write)
    labels = {"cluster": "oslo", "node": "c", "nodename": "c"}
    push_samples(remote_write, [({"__name__": "node_uname_info", **labels}, 1.0)], time.time())
    query = manager.start_query(sidecar, receiver)
    with run_thanos_gateway(manager, query.url) as gateway:
        wait_for_nodes(gateway, ["oslo/c", *BOTH_NODES])
        with receiver.pause():
            wait_for_nodes(gateway, BOTH_NODES, complete=False)
        wait_for_nodes(gateway, ["oslo/c", *BOTH_NODES])


def test_a_strict_store_stays_a_gap(manager: ProcessManager, exporter: FakeExporter) -> None:
    """While a strict store is down, Thanos keeps warning, and the gap names the store."""
    (prometheus, sidecar), (_, other) = start_replicas(manager, exporter)
    query = manager.start_query(sidecar, other, strict=True)
    with run_thanos_gateway(manager, query.url) as gateway:
        wait_for_nodes(gateway, BOTH_NODES)
        prometheus.kill()
        sidecar.kill()
        killed_at = time.monotonic()
        wait_for_nodes(gateway, BOTH_NODES, complete=False)
        wait_until(lambda: time.monotonic() - killed_at > 15, "more time than Thanos keeps other stores")
        assert not is_complete(gateway)
        assert f"127.0.0.1:{sidecar.grpc_api_port}" in read_gaps(gateway)


def test_a_hanging_store(manager: ProcessManager, exporter: FakeExporter) -> None:
    """While a store hangs, the data of the other store is served as incomplete; it recovers with the store."""
    (_, sidecar), (_, other) = start_replicas(manager, exporter)
    query = manager.start_query(sidecar, other, strict=True)
    # Send all queries at once, because each waits for the store timeout, and a long refresh causes a long pause.
    with run_thanos_gateway(manager, query.url, QUERY_CONCURRENCY="60") as gateway:
        wait_for_nodes(gateway, BOTH_NODES)
        with sidecar.pause():
            wait_for_nodes(gateway, BOTH_NODES, complete=False)
        wait_for_nodes(gateway, BOTH_NODES)


def test_partial_response_abort(manager: ProcessManager, exporter: FakeExporter) -> None:
    """With PARTIAL_RESPONSE=abort, the last complete topology is served until MAX_STALE, never a partial one."""
    (prometheus, sidecar), (_, other) = start_replicas(manager, exporter)
    query = manager.start_query(sidecar, other, strict=True)
    with run_thanos_gateway(manager, query.url, PARTIAL_RESPONSE="abort", MAX_STALE="4") as gateway:
        wait_for_nodes(gateway, BOTH_NODES)
        prometheus.kill()
        sidecar.kill()
        wait_until(lambda: not is_complete(gateway), "an incomplete topology")
        assert list_served_nodes(gateway) == BOTH_NODES
        assert "HTTP 422: execution: " in gateway.find_events("refresh failed")[-1]["reason"]
        wait_until(lambda: send_request(gateway.http_port).status == 503, "the last topology is too old")
        assert call_method(gateway.grpc_port).code is grpc.StatusCode.UNAVAILABLE


def test_duplicates_without_deduplication(manager: ProcessManager, exporter: FakeExporter) -> None:
    """Without deduplication, each host appears once, and conflicts between replicas are counted."""
    with run_exporter(build_host_exposition("rome", "a", "b", machine="aarch64")) as different:
        _, sidecar = manager.start_replica("a", exporter.target)
        _, other = manager.start_replica("b", different.target)
        query = manager.start_query(sidecar, other, labels=())
        with run_thanos_gateway(manager, query.url, THANOS="off") as gateway:
            wait_for_nodes(gateway, BOTH_NODES)
            wait_until(
                lambda: gateway.find_events("refresh succeeded")[-1].get("conflict") == 2, "conflicts of two hosts"
            )
            architectures = {
                node["staticMetrics"]["cpuArchitecture"]
                for node in send_request(gateway.http_port).json()["cluster"]["rome"]["node"].values()
            }
            assert architectures == {"x86_64"}


def list_thanos_detections(gateway: GatewayProcess) -> list[bool]:
    """Return the results of Thanos detection from the log."""
    return [line["thanos"] for line in gateway.find_events("detected upstream")]


def test_thanos_detection(manager: ProcessManager, exporter: FakeExporter) -> None:
    """Thanos Query and Query Frontend are detected as Thanos, Prometheus 2 and 3 are not; all are served."""
    prometheus, sidecar = manager.start_replica("a", exporter.target)
    query = manager.start_query(sidecar)
    frontend = manager.start_query_frontend(query)
    config = prometheus_2.build_scrape_config([exporter.target])
    (manager.folder / "two").mkdir()
    with prometheus_2.run_prometheus(manager.folder / "two", config) as two:
        for url, is_thanos in ((query.url, True), (frontend.url, True), (prometheus.url, False), (two, False)):
            assert (get_status(int(url.rpartition(":")[2]), "/api/v1/stores") == 200) is is_thanos
            with run_thanos_gateway(manager, url) as gateway:
                wait_for_nodes(gateway, BOTH_NODES)
                assert list_thanos_detections(gateway) == [is_thanos]


def run_doctor(url: str) -> DoctorReport:
    """Return the report of the doctor about an upstream."""
    return build_doctor_report(settings.load_settings({"PROMETHEUS_ADDRESS": url}, Settings), PATTERN_REDACTOR)


def test_the_doctor_reports_product_and_version(manager: ProcessManager, exporter: FakeExporter) -> None:
    """The doctor reports product and version of Thanos Query, Query Frontend and Prometheus 3."""
    prometheus, sidecar = manager.start_replica("a", exporter.target)
    query = manager.start_query(sidecar)
    frontend = manager.start_query_frontend(query)
    upstreams = [run_doctor(program.url).upstreams[0] for program in (query, frontend, prometheus)]
    assert [(upstream.kind, upstream.version.split(".")[0]) for upstream in upstreams] == [
        ("Thanos", "0"),
        ("Thanos", "0"),
        ("Prometheus", "3"),
    ]


def test_the_doctor_names_a_missing_store(manager: ProcessManager, exporter: FakeExporter) -> None:
    """A missing store is reported as partial answers, with the warning of Thanos that names the store."""
    (prometheus, sidecar), (_, other) = start_replicas(manager, exporter)
    query = manager.start_query(sidecar, other, strict=True)
    wait_until(lambda: "partial-answers" not in list_problems(query.url), "both stores are known")
    prometheus.kill()
    sidecar.kill()
    wait_until(
        lambda: f"127.0.0.1:{sidecar.grpc_api_port}" in list_problems(query.url).get("partial-answers", ""),
        "the store is reported",
        40,
    )


def test_the_doctor_reports_duplicates(manager: ProcessManager, exporter: FakeExporter) -> None:
    """Duplicate series of replicas are reported with the label that differs; merged replicas have no duplicates."""
    (_, sidecar), (_, other) = start_replicas(manager, exporter)
    expected = "; the series differ in replica"
    query = manager.start_query(sidecar, other, labels=())
    wait_until(lambda: list_problems(query.url).get("duplicates", "").endswith(expected), "duplicates are reported", 40)
    merged = manager.start_query(sidecar, other)
    wait_until(lambda: run_doctor(merged.url).totals is not None, "stores are known")
    assert "duplicates" not in list_problems(merged.url)


def list_problems(url: str) -> dict[str, str]:
    """Return the problems of an upstream by code."""
    return {finding.code: finding.message for finding in run_doctor(url).problems}


def test_prometheus_3_scrapes_the_gateway(
    binaries: ThanosBinaries, manager: ProcessManager, exporter: FakeExporter, tmp_path: Path
) -> None:
    """Prometheus 3 scrapes the metrics of the gateway without errors."""
    (upstream, _sidecar), _ = start_replicas(manager, exporter)
    with run_thanos_gateway(manager, upstream.url) as gateway:
        wait_for_nodes(gateway, BOTH_NODES)
        folder = tmp_path / "scraper"
        folder.mkdir()
        assert_scrapable(
            folder,
            [f"127.0.0.1:{gateway.http_port}"],
            prometheus_2.PrometheusBinaries(binaries.prometheus, binaries.promtool),
        )


def test_prometheus_3_scrapes_the_scrape_server(binaries: ThanosBinaries, tmp_path: Path) -> None:
    """Prometheus 3 takes the page of old agents without a fallback protocol, and finds agents over HTTP."""
    check_prometheus_scrapes(tmp_path, prometheus_2.PrometheusBinaries(binaries.prometheus, binaries.promtool))


def test_one_of_several_sources_fails_and_recovers(manager: ProcessManager, exporter: FakeExporter) -> None:
    """A failed source keeps its last data and is named in a gap; the topology is complete again when it recovers."""
    with run_exporter(build_host_exposition("", "c")) as plain:
        port = find_free_port()
        eu, us = manager.start_prometheus("eu", exporter.target), manager.start_prometheus("us", plain.target, port)
        with run_thanos_gateway(manager, f"{eu.url}#name=eu", f"{us.url}#name=us&cluster=dallas") as gateway:
            wait_for_nodes(gateway, ["dallas/c", *BOTH_NODES])
            us.kill()
            wait_for_nodes(gateway, ["dallas/c", *BOTH_NODES], complete=False)
            assert "source us: " in read_gaps(gateway)
            assert "because connection refused" in read_gaps(gateway)
            manager.start_prometheus("us", plain.target, port)
            wait_for_nodes(gateway, ["dallas/c", *BOTH_NODES])
