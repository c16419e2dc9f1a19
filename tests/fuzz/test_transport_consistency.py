"""HTTP and gRPC return the same data: the complete topology, its chunks, single objects and lists."""

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import Any

import pytest

from aggregator.lookup import fields as items
from aggregator.lookup.candidates.request import MAX_CPU_CORES, MAX_MEMORY_BYTES
from aggregator.lookup.fields import FieldType, ObjectKind
from aggregator.lookup.filter_parser import FilterOperator, Requirement
from aggregator.models.topology import Topology
from aggregator.pb.aggregator.v1 import topology_pb2 as pb
from aggregator.views import v1_protobuf
from demo.fleet import PRESENT_SECONDS, SimulatedFleet
from demo.simulated_source import create_fleet_source
from tests.fuzz.dual_client import DualClient, open_dual_client
from tests.fuzz.fleet_topology import AT_SECONDS, build_source_topology, create_telemetry_source
from tests.fuzz.fuzz_settings import EXAMPLE_FACTOR, SEED, build_random
from tests.lookup import oracle
from tests.parity.random_fleets import generate_fleet
from tests.server.running_servers import run_servers
from tests.server.snapshot_provider import FakeSnapshotProvider, build_snapshot
from tests.support import parity_cases
from tests.views.test_v1_chunks import merge_chunks

# 25 in `make test`, 300 in `make fuzz` with FUZZ_TIMES=4.
RANDOM_FLEETS = {
    f"seed-{SEED}-fleet-{number}": number for number in range(25 if EXAMPLE_FACTOR == 1 else 75 * EXAMPLE_FACTOR)
}
# The fleet of `make run`, with all hosts and while one host is absent.
DEMO_SCENES = {"demo": AT_SECONDS, "demo-without-one": AT_SECONDS + PRESENT_SECONDS}
FLEETS = [*parity_cases.CASE_NAMES, *(["demo"] if EXAMPLE_FACTOR == 1 else DEMO_SCENES), *RANDOM_FLEETS]
# So small that even a fleet of a few nodes has many chunks.
SMALL_CHUNK_BYTES = 2000
MAX_PAGES = 3
# A field mask for each kind of list.
FIELD_PATHS = {
    ObjectKind.CLUSTERS: ["name", "nodes.devices.name", "pods.containers"],
    ObjectKind.NODES: ["name", "interfaces.addresses", "free_memory_bytes", "labels"],
    ObjectKind.PODS: ["id", "containers.image", "phase"],
    ObjectKind.CONTAINERS: ["name", "pod", "cpu_usage_cores"],
}
OPERATORS_BY_TYPE = {
    FieldType.STRING: (FilterOperator.EQUAL, FilterOperator.NOT_EQUAL, FilterOperator.CONTAINS, FilterOperator.IN),
    FieldType.NUMBER: (FilterOperator.GREATER_OR_EQUAL, FilterOperator.LESS_THAN, FilterOperator.EQUAL),
    FieldType.TIMESTAMP: (FilterOperator.GREATER_OR_EQUAL, FilterOperator.LESS_THAN),
    FieldType.BOOLEAN: (FilterOperator.EQUAL, FilterOperator.NOT_EQUAL),
}


@dataclass(frozen=True)
class ServedFleet:
    """A fleet by name, its topology, and clients of a gateway that serves it."""

    name: str
    topology: Topology
    clients: DualClient

    @property
    def full_topology(self) -> pb.Topology:
        """The complete topology, equal over gRPC and HTTP."""
        topology: pb.Topology = self.clients.fetch_both("topology", "GetTopology", pb.GetTopologyRequest())
        return topology


def build_fleet_topology(name: str) -> Topology:
    """Build the topology of a fleet."""
    if name in DEMO_SCENES:
        source = create_fleet_source(SimulatedFleet.generate(since_seconds=AT_SECONDS - 1))
        return build_source_topology(source, DEMO_SCENES[name])
    if name in parity_cases.CASE_NAMES:
        return parity_cases.build_case_topology(name)
    return build_source_topology(create_telemetry_source(generate_fleet(SEED, RANDOM_FLEETS[name])))


@pytest.fixture(scope="module")
def _gateway() -> Iterator[tuple[FakeSnapshotProvider, DualClient]]:
    source = FakeSnapshotProvider()
    with run_servers(source, None) as ports, open_dual_client(ports) as clients:
        yield source, clients


@pytest.fixture(scope="module", params=FLEETS)
def served(request: pytest.FixtureRequest, _gateway: tuple[FakeSnapshotProvider, DualClient]) -> ServedFleet:
    """Each fleet in turn, served over HTTP and gRPC."""
    source, clients = _gateway
    topology = build_fleet_topology(request.param)
    source.current_snapshot = build_snapshot(topology=topology)
    return ServedFleet(request.param, topology, clients)


def test_the_complete_topology(served: ServedFleet) -> None:
    """The JSON equals the protobuf message, the chunks merge to the same message, and all IDs are unique."""
    full = served.full_topology
    assert full.version == served.topology.version
    assert (len(full.clusters), sum(len(cluster.nodes) for cluster in full.clusters)) == (
        len(served.topology.clusters),
        len(served.topology.nodes),
    )
    nodes = [node.id for cluster in full.clusters for node in cluster.nodes]
    pods = [pod.id for cluster in full.clusters for pod in cluster.pods]
    assert (len({*nodes}), len({*pods})) == (len(nodes), len(pods))
    assert merge_chunks(served.clients.stream_chunks()) == full
    chunks = [pb.Topology.FromString(part) for part in v1_protobuf.build_chunks(served.topology, SMALL_CHUNK_BYTES)]
    assert merge_chunks(chunks) == full


def test_objects_by_name(served: ServedFleet) -> None:
    """Each cluster, node and pod is found by its names, equal over HTTP and gRPC."""
    for cluster in served.full_topology.clusters:
        assert served.clients.fetch_object(cluster.name) == cluster
        for node in cluster.nodes:
            assert served.clients.fetch_object(cluster.name, node.name) == node
        names = [(pod.namespace, pod.name) for pod in cluster.pods]
        for pod, name in zip(cluster.pods, names, strict=True):
            response = served.clients.fetch_object(cluster.name, *name)
            assert response == pod if names.count(name) == 1 else (response.namespace, response.name) == name


@pytest.mark.parametrize("kind", ObjectKind, ids=lambda kind: kind.value)
def test_lists(served: ServedFleet, kind: ObjectKind) -> None:
    """Lists contain the objects that the oracle selects, masked and page by page, equal over HTTP and gRPC."""
    objects = oracle.list_objects(kind, served.full_topology)
    requirement = pick_requirement(kind, objects, build_random(f"{served.name} {kind.value}")) if objects else None
    expected = [
        each["id"]
        for each in objects
        if requirement is None
        or oracle.matches_requirement(each, requirement.key, requirement.operator.value, list(requirement.values))
    ]
    filter_text = str(requirement or "")
    ids, token = [], ""
    for _ in range(1 + len(objects)):
        page = served.clients.fetch_list(
            kind.value, filter=filter_text, limit=-(-len(objects) // MAX_PAGES), continue_token=token
        )
        assert page.total_count == len(expected)
        ids += [each.id for each in getattr(page, kind.value)]
        token = page.continue_token
        if not token:
            break
    assert ids == expected
    masked = served.clients.fetch_list(kind.value, filter=filter_text, fields=FIELD_PATHS[kind])
    assert len(getattr(masked, kind.value)) == len(expected)


def test_candidates(served: ServedFleet) -> None:
    """Each node is a candidate or rejected, and counted once, equal over HTTP and gRPC."""
    nodes = [node for cluster in served.full_topology.clusters for node in cluster.nodes]
    requests = [pb.FindCandidatesRequest(limit=500, rejected_limit=500)]
    if nodes:
        rng = build_random(f"{served.name} candidates")
        requests += [build_workload(rng.choice(nodes), rng) for _ in range(3)]
    for request in requests:
        found = served.clients.find_candidates(request)
        ids = [each.id for each in (*found.candidates, *found.rejected)]
        assert sorted(ids) == sorted(node.id for node in nodes)
        assert (found.totals.candidates, found.totals.rejected) == (len(found.candidates), len(found.rejected))
        scores = [each.score for each in found.candidates]
        assert scores == sorted(scores, reverse=True)
        assert all(0 <= score <= 1 for score in scores)


def build_workload(node: pb.Node, rng: Random) -> pb.FindCandidatesRequest:
    """Return a request for some of what a node has, and of which others may have less."""
    request = pb.FindCandidatesRequest(
        limit=500,
        rejected_limit=500,
        cpu_cores=rng.choice([0, min(node.available_cpu_cores, MAX_CPU_CORES)]),
        memory_bytes=rng.choice([0, min(node.available_memory_bytes, MAX_MEMORY_BYTES)]),
        architecture=rng.choice(["", node.architecture]),
        devices=[device.name for device in node.devices if rng.random() < 0.5],
        node_selector={key: node.labels[key] for key in sorted(node.labels) if rng.random() < 0.5},
        clusters=rng.choice([(), [node.cluster]]),
        ranking=pb.Ranking(free_cpu=rng.random(), security=rng.random(), spread=rng.random()),
    )
    if node.HasField("latitude"):
        request.near.MergeFrom(pb.Near(latitude=node.latitude, longitude=node.longitude, max_distance_km=500))
    return request


def pick_requirement(kind: ObjectKind, objects: list[Any], rng: Random) -> Requirement:
    """Return a requirement on a field that a random object has, with the value of that object."""
    document = rng.choice(objects)
    fields = {name: items.find_filter_field(kind, name) for name in document}
    types = {
        name: field.field_type
        for name, field in fields.items()
        if field and field.field_type in OPERATORS_BY_TYPE and not field.is_repeated
    }
    key = rng.choice(sorted(types))
    value = document[key]
    text = str(value).lower() if types[key] is FieldType.BOOLEAN else str(value)
    return Requirement(key, rng.choice(OPERATORS_BY_TYPE[types[key]]), (text,))
