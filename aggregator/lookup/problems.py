"""What is wrong with an object, most important first, and its health as a whole."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import Enum
from itertools import chain
from typing import NamedTuple

from aggregator.models.topology import Container, Filesystem, Node, Pod

# Why a container of a finished job or a stopped Docker container does not run. The exit code tells whether it failed.
SUCCESS_REASONS = frozenset({"Completed", "exited"})
_START_REASONS = frozenset({"ContainerCreating", "PodInitializing"})
_READY_CONDITION = "Ready"
_FAILED_PHASES = frozenset({"Failed", "Unknown"})
_FAILED_SEVERITIES = frozenset({"critical", "emergency"})
# Alerts that only inform are not about a problem.
_HARMLESS_SEVERITIES = frozenset({"none", "info"})
# From this share on, memory and file systems are nearly full.
_NEARLY_FULL_PERCENT = 90
# Some restarts may happen, and one each day is no problem.
_MIN_FREQUENT_RESTARTS = 3
_FREQUENT_RESTART_SECONDS = 6 * 3600


class ObjectHealth(Enum):
    """How an object is as a whole."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"
    UNKNOWN = "unknown"

    @classmethod
    def of(cls, problems: "Iterable[Problem]") -> "ObjectHealth":
        """Return the health of an object with these problems."""
        found = {problem.health for problem in problems}
        if cls.FAILED in found:
            return cls.FAILED
        return cls.WARNING if found else cls.OK


class Problem(NamedTuple):
    """One thing that is wrong, in a few words, and the health of an object that has no worse problem."""

    text: str
    health: ObjectHealth


class ObjectState(NamedTuple):
    """The health of an object, and its problems as one text, "" without any."""

    health: ObjectHealth
    problems: str

    @classmethod
    def of(cls, problems: Sequence[Problem], *, is_known: bool = True) -> "ObjectState":
        """Return the state of an object with these problems."""
        if not problems:
            return _HEALTHY if is_known else _UNKNOWN
        return cls(ObjectHealth.of(problems), ", ".join(problem.text for problem in problems))


# Nearly all objects share them.
_HEALTHY = ObjectState(ObjectHealth.OK, "")
_UNKNOWN = ObjectState(ObjectHealth.UNKNOWN, "")


def assess_node(node: Node) -> ObjectState:
    """Return the state of a node."""
    return ObjectState.of(list(find_node_problems(node)))


def assess_pod(pod: Pod) -> ObjectState:
    """Return the state of a pod. Containers of Docker hosts have no phase."""
    is_known = pod.phase is not None or any(each.state is not None for each in pod.containers.values())
    return ObjectState.of(list(find_pod_problems(pod)), is_known=is_known)


def assess_container(container: Container) -> ObjectState:
    """Return the state of a container."""
    return ObjectState.of(list(find_container_problems(container)), is_known=container.state is not None)


def assess_cluster(nodes: Mapping[ObjectHealth, int], pods: Mapping[ObjectHealth, int]) -> ObjectState:
    """Return the state of a cluster from the number of its nodes and pods by health.

    It has failed if all its nodes have; other failures of nodes or pods, and warnings of nodes, are warnings.
    """
    return ObjectState.of(list(_find_cluster_problems(nodes, pods)), is_known=bool(nodes))


def _find_cluster_problems(nodes: Mapping[ObjectHealth, int], pods: Mapping[ObjectHealth, int]) -> Iterator[Problem]:
    failed_nodes = nodes.get(ObjectHealth.FAILED, 0)
    health = ObjectHealth.FAILED if failed_nodes == sum(nodes.values()) else ObjectHealth.WARNING
    if failed_nodes:
        yield Problem(f"{_count(failed_nodes, 'node')} failed", health)
    if failed_pods := pods.get(ObjectHealth.FAILED, 0):
        yield Problem(f"{_count(failed_pods, 'pod')} failed", ObjectHealth.WARNING)
    if warning_nodes := nodes.get(ObjectHealth.WARNING, 0):
        yield Problem(f"{_count(warning_nodes, 'node')} with a warning", ObjectHealth.WARNING)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def find_node_problems(node: Node) -> Iterator[Problem]:
    """Yield what is wrong with a node."""
    if node.gone_since_seconds is not None:
        yield Problem("gone", ObjectHealth.FAILED)
    if node.is_reporting is False:
        yield Problem("does not report", ObjectHealth.FAILED)
    yield from find_condition_problems(node.conditions)
    if node.gone_since_seconds is None:
        yield from find_capacity_problems(node)
    if node.is_unschedulable:
        yield Problem("cordoned", ObjectHealth.WARNING)
    yield from find_alert_problems(node.alerts)


def find_condition_problems(conditions: Mapping[str, str]) -> Iterator[Problem]:
    """Yield the conditions of a node that are problems. If the node is lost, all of them are unknown: one is enough."""
    ready = conditions.get(_READY_CONDITION, "true")
    if ready != "true":
        yield Problem("not ready" if ready == "false" else "Ready unknown", ObjectHealth.FAILED)
    others = {name: status for name, status in sorted(conditions.items()) if name != _READY_CONDITION}
    yield from (Problem(name, ObjectHealth.WARNING) for name, status in others.items() if status == "true")
    if ready == "true":
        unknown = (name for name, status in others.items() if status == "unknown")
        yield from (Problem(f"{name} unknown", ObjectHealth.WARNING) for name in unknown)


def find_capacity_problems(node: Node) -> Iterator[Problem]:
    """Yield what a node has nearly none left of."""
    if (node.memory_usage_percent or 0) >= _NEARLY_FULL_PERCENT:
        yield Problem("memory nearly full", ObjectHealth.WARNING)
    if any((compute_used_percent(each) or 0) >= _NEARLY_FULL_PERCENT for each in node.filesystems.values()):
        yield Problem("file system nearly full", ObjectHealth.WARNING)


def compute_used_percent(filesystem: Filesystem) -> float | None:
    """Return the used share of a root file system in percent, None if it is unknown."""
    if filesystem.root_available_bytes is None or not filesystem.size_bytes:
        return None
    return 100 * (1 - filesystem.root_available_bytes / filesystem.size_bytes)


def find_pod_problems(pod: Pod) -> Iterator[Problem]:
    """Yield what is wrong with a pod and its containers."""
    if pod.phase in _FAILED_PHASES:
        yield Problem(pod.phase or "", ObjectHealth.FAILED)
    elif pod.phase == "Pending":
        yield Problem("Pending", ObjectHealth.WARNING)
    yield from find_reason_problems([pod.reason])
    # Several containers often have the same problem.
    yield from dict.fromkeys(chain.from_iterable(map(find_container_problems, pod.containers.values())))
    if pod.phase == "Running" and pod.is_ready is False:
        yield Problem("not ready", ObjectHealth.WARNING)
    if _restarts_often(pod):
        yield Problem("restarts often", ObjectHealth.WARNING)
    yield from find_alert_problems(pod.alerts)


def _restarts_often(pod: Pod) -> bool:
    restarts = sum(each.restart_count or 0 for each in pod.containers.values())
    start = find_start_seconds(pod)
    if restarts < _MIN_FREQUENT_RESTARTS or start is None or pod.last_seen_seconds is None:
        return False
    return pod.last_seen_seconds - start < restarts * _FREQUENT_RESTART_SECONDS


def find_start_seconds(pod: Pod) -> float | None:
    """Return the start of a pod, otherwise that of its first container."""
    if pod.start_seconds is not None:
        return pod.start_seconds
    starts = (each.start_seconds for each in pod.containers.values() if each.start_seconds is not None)
    return min(starts, default=None)


def find_container_problems(container: Container) -> Iterator[Problem]:
    """Yield what is wrong with a container."""
    yield from find_reason_problems([container.reason])
    yield from find_health_problems(container)


def find_reason_problems(reasons: Iterable[str | None]) -> Iterator[Problem]:
    """Yield the different reasons why a pod or its containers do not run, without the normal ones."""
    for reason in dict.fromkeys(reasons):
        if reason and reason not in SUCCESS_REASONS:
            yield Problem(reason, ObjectHealth.WARNING if reason in _START_REASONS else ObjectHealth.FAILED)


def find_health_problems(container: Container) -> Iterator[Problem]:
    """Yield the exit code of a container that has failed, and the result of a health check that is no success."""
    if container.exit_code:
        yield Problem(f"exit code {container.exit_code}", ObjectHealth.FAILED)
    if container.health is not None and container.health != "healthy":
        is_starting = container.health == "starting"
        yield Problem(container.health, ObjectHealth.WARNING if is_starting else ObjectHealth.FAILED)


def find_alert_problems(severities: Mapping[str, str]) -> Iterator[Problem]:
    """Yield the alerts that fire for an object, from their severities by name."""
    for name, severity in severities.items():
        if severity not in _HARMLESS_SEVERITIES:
            health = ObjectHealth.FAILED if severity in _FAILED_SEVERITIES else ObjectHealth.WARNING
            yield Problem(f"alert {name}", health)
