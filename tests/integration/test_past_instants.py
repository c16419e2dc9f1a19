"""`time=` with a real Prometheus: the topology as it was, over HTTP and gRPC."""

import time
from collections.abc import Iterator
from dataclasses import dataclass

import grpc
import pytest

from aggregator.lookup.instants import format_instant
from aggregator.pb.aggregator.v1 import topology_pb2 as pb
from aggregator.server.grpc.services import build_method_path
from demo.prometheus import ScrapedExposition, run_prometheus_with_data
from tests.integration.fleet_exposition import build_fleet_exposition
from tests.integration.gateway_process import GatewayProcess, run_gateway, wait_until
from tests.support.grpc_client import call_method
from tests.support.http_client import ClientResponse, send_request

INCIDENT_SECONDS = 1800
SCRAPE_INTERVAL_SECONDS = 60


@dataclass(frozen=True)
class PastFleet:
    """A gateway whose fleet had three nodes until half an hour ago, and has had two since then."""

    gateway: GatewayProcess
    started_seconds: int
    changed_seconds: int

    def get(self, path: str) -> ClientResponse:
        """Return the response to a request."""
        return send_request(self.gateway.http_port, path)

    def list_nodes(self, time_text: str) -> list[str]:
        """Return the names of the nodes at a time."""
        answer = self.get(f"/api/v1/nodes?fields=name&time={time_text}")
        assert answer.status == 200, answer.body
        return [node["name"] for node in answer.json()["nodes"]]


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PastFleet]:
    """A ready gateway, and a Prometheus with an hour of history and some minutes of future."""
    now = int(time.time())
    started, changed = now - 2 * INCIDENT_SECONDS, now - INCIDENT_SECONDS
    scrapes = [
        ScrapedExposition(build_fleet_exposition(3 if at_seconds < changed else 2), at_seconds)
        for at_seconds in range(started, now + 600, SCRAPE_INTERVAL_SECONDS)
    ]
    with (
        run_prometheus_with_data(scrapes) as url,
        run_gateway(
            tmp_path_factory.mktemp("past"), PROMETHEUS_ADDRESS=url, HTTP_PORT="0", GRPC_PORT="0", REFRESH_INTERVAL="5"
        ) as gateway,
    ):
        wait_until(lambda: send_request(gateway.http_port, "/readyz").status == 200, "ready")
        yield PastFleet(gateway, started, changed)


def test_the_nodes_before_and_after_a_change(fleet: PastFleet) -> None:
    """A node that left is in the topology of the time before, in each form of the time, and not in the current one."""
    before, after = fleet.changed_seconds - 10, fleet.changed_seconds + 310
    assert fleet.list_nodes(str(before)) == ["node-0", "node-1", "node-2"]
    assert fleet.list_nodes(format_instant(before)) == ["node-0", "node-1", "node-2"]
    assert fleet.list_nodes("-45m") == ["node-0", "node-1", "node-2"]
    assert fleet.list_nodes(str(after)) == ["node-0", "node-1"] == fleet.list_nodes("")


def test_the_legacy_document_of_the_past(fleet: PastFleet) -> None:
    """The legacy layouts contain the node, with the ages of that time, and Age is the age of the topology."""
    before = fleet.changed_seconds - 10
    for layout in ("1.2.5", "2025"):
        answer = fleet.get(f"/?layout={layout}&time={before}")
        assert answer.headers["X-Topology-Time"] == format_instant(before)
        assert b'"node-2"' in answer.body
        assert answer.json()["timestamp"]["timeSinceOldest"] <= SCRAPE_INTERVAL_SECONDS
        assert int(answer.headers["Age"]) >= INCIDENT_SECONDS
    assert b'"node-2"' not in fleet.get("/").body


def test_the_past_over_grpc(fleet: PastFleet) -> None:
    """With `x-topology-time` in the metadata, ListNodes returns the node that left."""
    metadata = [("x-topology-time", str(fleet.changed_seconds - 10))]
    reply = call_method(fleet.gateway.grpc_port, build_method_path("ListNodes"), metadata)
    assert reply.code is grpc.StatusCode.OK
    assert [node.name for node in pb.ListNodesResponse.FromString(reply.body).nodes] == ["node-0", "node-1", "node-2"]


def test_before_the_data_and_in_the_future(fleet: PastFleet) -> None:
    """Before the first sample there is nothing; the future is an error that says what time it is."""
    early = fleet.get(f"/api/v1/nodes?time={fleet.started_seconds - 1}")
    assert (early.status, early.json()["parameter"]) == (404, "time")
    assert early.json()["detail"].startswith(f"no topology at {format_instant(fleet.started_seconds - 1)}")
    late = fleet.get(f"/api/v1/nodes?time={int(time.time()) + 60}")
    assert (late.status, late.json()["parameter"]) == (400, "time")
    assert "it is now" in late.json()["detail"]


def test_the_metrics_of_the_past(fleet: PastFleet) -> None:
    """Requests for the past are counted by result, and their queries are not those of refreshes."""
    fleet.list_nodes("-40m")
    metrics = fleet.get("/metrics").body.decode()
    assert 'aggregator_past_requests_total{result="ok"}' in metrics
    assert "aggregator_past_collection_duration_seconds_count" in metrics


def test_what_changed_between_two_times(fleet: PastFleet) -> None:
    """The differences name the node that left, over HTTP and gRPC."""
    before, after = fleet.changed_seconds - 10, fleet.changed_seconds + 310
    document = fleet.get(f"/api/v1/diff?from={before}&to={after}&changes=structure").json()
    assert [(each["type"], each["kind"], each["name"]) for each in document["changes"]] == [
        ("REMOVED", "nodes", "node-2")
    ]
    request = pb.DiffTopologyRequest(from_time=str(before), to_time=str(after), changes="structure")
    reply = call_method(fleet.gateway.grpc_port, build_method_path("DiffTopology"), request=request.SerializeToString())
    (change,) = pb.DiffTopologyResponse.FromString(reply.body).changes
    assert (change.type, change.name) == ("REMOVED", "node-2")
