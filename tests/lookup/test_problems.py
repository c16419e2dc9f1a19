"""The problems of objects, and their health."""

import pytest

from aggregator.lookup.problems import (
    ObjectHealth,
    Problem,
    find_container_problems,
    find_node_problems,
    find_pod_problems,
)
from aggregator.models.topology import Container, Node, Pod


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
    """The health is that of the worst problem; without problems it is OK, or unknown if nothing is known."""
    warning, failed = Problem("a", ObjectHealth.WARNING), Problem("b", ObjectHealth.FAILED)
    assert ObjectHealth.of([warning, failed]) is ObjectHealth.FAILED
    assert ObjectHealth.of([warning]) is ObjectHealth.WARNING
    assert ObjectHealth.of([]) is ObjectHealth.OK
    assert ObjectHealth.of([], is_known=False) is ObjectHealth.UNKNOWN
