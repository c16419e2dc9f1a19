"""Which nodes are candidates, why others are rejected, and what the result contains."""

from typing import Any

import pytest

from aggregator.errors import VersionMismatchError
from aggregator.lookup.candidates.node_facts import CandidateIndex
from aggregator.lookup.candidates.search import MAX_REASONS_PER_NODE, find_candidates
from aggregator.models.topology import Device, Node
from aggregator.pb.aggregator.v1 import topology_pb2 as pb
from tests.lookup.candidates.fleets import build_fleet, build_node, build_taints, find_reasons, search

LJUBLJANA = pb.Near(latitude=46.05, longitude=14.5, max_distance_km=300)
ATHENS = {"latitude": 37.98, "longitude": 23.73, "country": "GR", "continent": "Europe"}
# A Docker host: nothing is known of requests, conditions and pods.
DOCKER_HOST = Node(cluster="c", key="n", id="c/n", cpu_cores=4.0, cpu_usage_percent=25.0, available_memory_bytes=2**30)


@pytest.mark.parametrize(
    ("fields", "request_fields", "reasons"),
    [
        ({"architecture": "x86_64"}, {"architecture": "amd64"}, []),
        ({"architecture": "aarch64"}, {"architecture": "ARM64"}, []),
        ({"architecture": "aarch64"}, {"architecture": "x86_64"}, ["ARCHITECTURE"]),
        ({"architecture": None}, {"architecture": "x86_64"}, ["UNKNOWN_ARCHITECTURE"]),
        ({"gpu_count": 2.0}, {"gpu_count": 2}, []),
        ({"gpu_count": 2.0, "allocatable_gpus": 1}, {"gpu_count": 2}, ["INSUFFICIENT_GPUS"]),
        ({}, {"gpu_count": 1}, ["UNKNOWN_GPUS"]),
        ({}, {"gpu_count": 0}, []),
        ({"devices": {"video0": Device("video0", 1)}}, {"devices": ["video0"]}, []),
        ({"devices": {"video0": Device("video0", 1)}}, {"devices": ["video*", "*0"]}, []),
        ({"devices": {"video0": Device("video0", 1)}}, {"devices": ["video?", "usb-*"]}, ["DEVICE"]),
        ({"devices": {"a": Device("a", 0), "b": Device("b", -1)}}, {"devices": ["*"]}, ["DEVICE"]),
        ({"devices": {"a": Device("a", 0), "b": Device("b")}}, {"devices": ["*"]}, ["UNKNOWN_DEVICE_STATE"]),
        ({}, {"clusters": ["b", "c"]}, []),
        ({}, {"clusters": ["b"]}, ["CLUSTER"]),
        ({}, {"cluster_types": ["OCM"]}, []),
        ({}, {"cluster_types": ["nuvla"]}, ["CLUSTER_TYPE"]),
        (ATHENS, {"countries": ["SI", "gr"], "continents": ["europe"]}, []),
        (ATHENS, {"countries": ["SI"], "continents": ["Asia"]}, ["COUNTRY", "CONTINENT"]),
        ({}, {"countries": ["SI"]}, ["UNKNOWN_LOCATION"]),
        (ATHENS, {"near": LJUBLJANA}, ["DISTANCE"]),
        ({"latitude": 45.8, "longitude": 16.0}, {"near": LJUBLJANA}, []),
        ({}, {"near": LJUBLJANA}, ["UNKNOWN_LOCATION"]),
        ({}, {"near": pb.Near(latitude=46, longitude=14)}, []),
        ({"sca_score": 70}, {"min_security_score": 70}, []),
        ({"sca_score": 69}, {"min_security_score": 70}, ["SECURITY_SCORE"]),
        ({}, {"min_security_score": 0}, ["UNKNOWN_SECURITY_SCORE"]),
        ({"vulnerabilities": {"Critical": 2}}, {"max_critical_vulnerabilities": 1}, ["VULNERABILITIES"]),
        ({"vulnerabilities": {"high": 5}}, {"max_critical_vulnerabilities": 0}, []),
        ({}, {"max_critical_vulnerabilities": 0}, ["UNKNOWN_VULNERABILITIES"]),
        ({"power_watts": 100.0}, {"max_power_watts": 100}, []),
        ({"power_watts": 101.0}, {"max_power_watts": 100}, ["POWER"]),
        ({}, {"max_power_watts": 100}, ["UNKNOWN_POWER"]),
        ({"pod_count": None}, {}, ["UNKNOWN_PODS"]),
        ({"gone_since_seconds": 1.0}, {}, ["GONE"]),
        ({"is_reporting": False}, {}, []),
        ({"allocatable_cpu_cores": None, "cpu_cores": None}, {"cpu_cores": 0.1}, ["UNKNOWN_CPU"]),
        ({"requested_memory_bytes": None}, {"memory_bytes": 1}, ["UNKNOWN_MEMORY"]),
    ],
)
def test_reasons(fields: dict[str, Any], request_fields: dict[str, Any], reasons: list[str]) -> None:
    """A node is rejected for each requirement that it does not meet, or of which nothing is known."""
    assert find_reasons(build_node(**fields), **request_fields) == reasons


def test_a_silent_host_is_no_candidate() -> None:
    """A host that does not report is rejected if no other series describe it."""
    (rejected,) = search(Node(cluster="b", key="edge", is_reporting=False)).rejected
    assert [reason.detail for reason in rejected.reasons] == ["its agent does not report any longer"]


def test_a_reason_has_what_is_needed_and_what_there_is() -> None:
    """A rejection contains the limit of the request and the value of the node, as numbers and as text."""
    (rejected,) = search(build_node(), cpu_cores=8).rejected
    (reason,) = rejected.reasons
    assert (reason.required, reason.actual) == (8, 3)
    assert reason.detail == "needs at least 8 free CPU cores, has 3"


@pytest.mark.parametrize(
    ("fields", "request_fields", "detail"),
    [
        (
            {"labels": {"zone": "a"}},
            {"label_expressions": [pb.LabelExpression(key="zone", operator="NotIn", values=["a", "b"])]},
            "needs label zone NotIn a,b, but zone is 'a'",
        ),
        ({}, {"node_selector": {"disk": "ssd"}}, "needs label disk In ssd, but disk is absent"),
        ({"taints": build_taints("gpu=yes:NoSchedule")}, {}, "taint gpu=yes:NoSchedule is not tolerated"),
        ({"devices": {"a": Device("a", 0)}}, {"devices": ["a"]}, "the state of device a is busy"),
        ({}, {"devices": ["a"]}, "there is no device a"),
        ({"pod_count": 110}, {}, "can run 110 pods, runs 110"),
        ({}, {"min_security_score": 5}, "needs at least 5 percent of the security score, unknown for this node"),
        ({}, {"clusters": ["x"]}, "the cluster is c"),
        ({}, {"countries": ["SI"]}, "the country is unknown"),
    ],
)
def test_details(fields: dict[str, Any], request_fields: dict[str, Any], detail: str) -> None:
    """The detail of a rejection says what the node has."""
    (rejected,) = search(build_node(**fields), **request_fields).rejected
    assert [reason.detail for reason in rejected.reasons] == [detail]


def test_free_resources_are_measured_where_requests_are_unknown() -> None:
    """Without requests, idle cores and available memory are free, and the candidate says so."""
    (candidate,) = search(DOCKER_HOST, cpu_cores=3, memory_bytes=2**30).candidates
    assert (candidate.free_cpu_cores, candidate.free_cpu_source) == (3, pb.FREE_SOURCE_MEASURED)
    assert (candidate.free_memory_bytes, candidate.free_memory_source) == (2**30, pb.FREE_SOURCE_MEASURED)
    assert (candidate.free_pods, candidate.is_ready) == (None, None)


def test_free_resources_are_allocatable_minus_requested() -> None:
    """With requests, free is what the scheduler has left, whatever is used; an overcommitted node has 0."""
    (candidate,) = search(build_node(cpu_usage_percent=50.0)).candidates
    assert (candidate.free_cpu_cores, candidate.free_cpu_source) == (3, pb.FREE_SOURCE_REQUESTS)
    assert (candidate.free_memory_bytes, candidate.free_memory_source) == (12 * 2**30, pb.FREE_SOURCE_REQUESTS)
    assert (candidate.free_pods, candidate.is_ready) == (100, True)
    (full,) = search(build_node(requested_cpu_cores=5.0)).candidates
    assert full.free_cpu_cores == 0


def test_what_is_shown_as_free_fits() -> None:
    """A request of all that is free fits, although binary fractions are inexact: 3.92 - 1.45 = 2.4699999999999998."""
    node = build_node(allocatable_cpu_cores=3.92, requested_cpu_cores=1.45)
    assert find_reasons(node, cpu_cores=2.47) == []


def test_totals_count_all_nodes() -> None:
    """The totals count all nodes and the nodes of each reason, also those that the limits leave out."""
    nodes = [build_node(key=f"n{number}", requested_cpu_cores=float(number % 4)) for number in range(8)]
    result = search(*nodes, cpu_cores=3, node_selector={"a": "b"}, rejected_limit=1, limit=1)
    assert (result.totals.nodes, result.totals.candidates, result.totals.rejected) == (8, 0, 8)
    assert [(count.reason, count.nodes) for count in result.totals.reasons] == [
        (pb.REJECTION_REASON_INSUFFICIENT_CPU, 4),
        (pb.REJECTION_REASON_LABEL_MISMATCH, 8),
    ]
    assert len(result.rejected) == 1
    fitting = search(*nodes, limit=3)
    assert (len(fitting.candidates), fitting.totals.candidates) == (3, 8)


def test_nodes_that_nearly_fit_come_first() -> None:
    """Rejected nodes with fewer reasons come first, then those of clusters and nodes with lower names."""
    nodes = [
        build_node(key="a", architecture="aarch64", requested_cpu_cores=4.0),
        build_node(key="b", requested_cpu_cores=4.0),
        build_node(key="c", requested_cpu_cores=4.0),
    ]
    result = search(*nodes, architecture="amd64", cpu_cores=1)
    assert [rejected.node for rejected in result.rejected] == ["b", "c", "a"]
    assert search(*nodes, architecture="amd64", cpu_cores=1, rejected_limit=0).rejected == ()


def test_the_reasons_of_a_node_are_limited() -> None:
    """A rejected node has at most 16 reasons."""
    (rejected,) = search(build_node(), node_selector={f"label-{number}": "x" for number in range(30)}).rejected
    assert len(rejected.reasons) == MAX_REASONS_PER_NODE


def test_another_version_is_refused() -> None:
    """A request for the current version succeeds; for another one, the error has the current version."""
    topology = build_fleet(build_node())
    index = CandidateIndex(topology)
    assert find_candidates(index, pb.FindCandidatesRequest(if_version=topology.version)).version == topology.version
    with pytest.raises(VersionMismatchError) as caught:
        find_candidates(index, pb.FindCandidatesRequest(if_version="0" * 32))
    assert caught.value.version == topology.version
