"""The problems of objects, and their health."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from aggregator.lookup.problems import (
    ObjectHealth,
    ObjectState,
    Problem,
    find_container_problems,
    find_node_problems,
    find_pod_problems,
)
from aggregator.models.topology import Container, Filesystem, Node, Pod

HEALTH_CASES = Path(__file__).parents[1] / "data" / "object_health.json"


def list_node_problems(**fields: object) -> list[str]:
    """Return the texts of the problems of a node with these fields."""
    return [f"{text}: {health.value}" for text, health in find_node_problems(Node(cluster="c", key="n", **fields))]  # type: ignore[arg-type] # fields of the tests


def list_pod_problems(*containers: Container, **fields: object) -> list[str]:
    """Return the texts of the problems of a pod with these containers and fields."""
    named = {each.name: each for each in containers}
    pod = Pod(cluster="c", key="p", name="p", containers=named, **fields)  # type: ignore[arg-type] # fields of the tests
    return [f"{text}: {health.value}" for text, health in find_pod_problems(pod)]


@pytest.mark.parametrize(
    ("fields", "problems"),
    [
        ({}, []),
        ({"conditions": {"Ready": "true", "DiskPressure": "false"}}, []),
        ({"conditions": {"Ready": "false", "DiskPressure": "true"}}, ["not ready: failed", "DiskPressure: warning"]),
        ({"conditions": {"Ready": "unknown", "DiskPressure": "unknown"}}, ["Ready unknown: failed"]),
        ({"conditions": {"Ready": "true", "DiskPressure": "unknown"}}, ["DiskPressure unknown: warning"]),
        ({"alerts": {"Conflicts": "info", "Watchdog": "none"}}, []),
        ({"gone_since_seconds": 5.0, "is_reporting": False}, ["gone: failed", "does not report: failed"]),
        ({"is_unschedulable": True, "alerts": {"Hot": "warning"}}, ["cordoned: warning", "alert Hot: warning"]),
        ({"host_memory_bytes": 100, "available_memory_bytes": 10}, ["memory nearly full: warning"]),
        ({"host_memory_bytes": 100, "available_memory_bytes": 1, "gone_since_seconds": 5.0}, ["gone: failed"]),
        (
            {
                "host_memory_bytes": 100,
                "available_memory_bytes": 11,
                "filesystems": {"sda": Filesystem("sda", size_bytes=10, root_available_bytes=2)},
            },
            [],
        ),
        (
            {"filesystems": {"sda": Filesystem("sda", size_bytes=10, root_available_bytes=1)}},
            ["file system nearly full: warning"],
        ),
        (
            {"filesystems": {"sda": Filesystem("sda", size_bytes=0, root_available_bytes=0), "sdb": Filesystem("sdb")}},
            [],
        ),
        ({"alerts": {"Down": "critical", "Gone": "emergency"}}, ["alert Down: failed", "alert Gone: failed"]),
    ],
)
def test_problems_of_a_node(fields: dict[str, object], problems: list[str]) -> None:
    """A node reports what makes it unusable as failed, everything else as a warning."""
    assert list_node_problems(**fields) == problems


@pytest.mark.parametrize(
    ("containers", "fields", "problems"),
    [
        ([], {"phase": "Running", "is_ready": True}, []),
        ([], {"phase": "Running", "is_ready": False}, ["not ready: warning"]),
        ([], {"phase": "Pending"}, ["Pending: warning"]),
        ([], {"phase": "Failed", "reason": "Evicted"}, ["Failed: failed", "Evicted: failed"]),
        ([Container("a", reason="Completed")], {"phase": "Succeeded"}, []),
        ([Container("a", reason="ContainerCreating")], {}, ["ContainerCreating: warning"]),
        ([Container("a", reason="CrashLoopBackOff"), Container("b", reason="CrashLoopBackOff")], {},
         ["CrashLoopBackOff: failed"]),
        ([Container("a", health="unhealthy", exit_code=3)], {}, ["exit code 3: failed", "unhealthy: failed"]),
        ([Container("a", restart_count=2), Container("b", restart_count=1)],
         {"start_seconds": 0.0, "last_seen_seconds": 3 * 6 * 3600 - 1.0}, ["restarts often: warning"]),
        ([Container("a", restart_count=3)], {"start_seconds": 0.0, "last_seen_seconds": 3 * 6 * 3600.0}, []),
        ([Container("a", restart_count=2)], {"start_seconds": 0.0, "last_seen_seconds": 60.0}, []),
        ([Container("a", restart_count=9, start_seconds=0.0)], {"last_seen_seconds": 60.0},
         ["restarts often: warning"]),
        ([Container("a", health="starting")], {"alerts": {"Slow": ""}}, ["starting: warning", "alert Slow: warning"]),
    ],
)  # fmt: skip
def test_problems_of_a_pod(containers: list[Container], fields: dict[str, object], problems: list[str]) -> None:
    """A pod has the problems of its containers once, and its own."""
    assert list_pod_problems(*containers, **fields) == problems


def test_problems_of_a_container() -> None:
    """A container of a finished job has no problem."""
    assert list(find_container_problems(Container("a", reason="exited", exit_code=0, health="healthy"))) == []


def test_the_worst_problem_is_the_health() -> None:
    """The health is that of the worst problem; without problems it is OK."""
    warning, failed = Problem("a", ObjectHealth.WARNING), Problem("b", ObjectHealth.FAILED)
    assert ObjectHealth.of([warning, failed]) is ObjectHealth.FAILED
    assert ObjectHealth.of([warning]) is ObjectHealth.WARNING
    assert ObjectHealth.of([]) is ObjectHealth.OK


def test_an_object_without_any_information_is_unknown() -> None:
    """Without problems, an object is unknown if nothing is known of its state."""
    assert ObjectState.of([], is_known=False).health is ObjectHealth.UNKNOWN
    assert ObjectState.of([]).health is ObjectHealth.OK


def create_node(document: dict[str, Any]) -> Node:
    """Return a node from its JSON in the API."""
    fields = {to_snake_case(name): value for name, value in document.items()}
    if fields.pop("gone_since_time", None):
        fields["gone_since_seconds"] = 1.0
    return Node(cluster="c", key="n", **fields)


def create_pod(document: dict[str, Any]) -> Pod:
    """Return a pod from its JSON in the API."""
    fields = {to_snake_case(name): value for name, value in document.items()}
    containers = {each["name"]: create_container(each) for each in fields.pop("containers", [])}
    return Pod(cluster="c", key="p", name="p", containers=containers, **fields)


def create_container(document: dict[str, Any]) -> Container:
    """Return a container from its JSON in the API, which has integers as texts."""
    fields = {to_snake_case(name): value for name, value in document.items()}
    if "exit_code" in fields:
        fields["exit_code"] = int(fields["exit_code"])
    return Container(**fields)


def to_snake_case(name: str) -> str:
    """Return the name of a field in the model."""
    return re.sub(r"(?=[A-Z])", "_", name).lower()


@pytest.mark.parametrize("case", json.loads(HEALTH_CASES.read_text()), ids=str)
def test_health_of_typical_objects(case: dict[str, Any]) -> None:
    """The health of an object follows from its fields in the API."""
    document = case["object"]
    problems = (
        find_node_problems(create_node(document)) if case["kind"] == "node" else find_pod_problems(create_pod(document))
    )
    assert ObjectHealth.of(problems).value == case["health"]
