"""What is wrong with a node, a pod or a container, most important first, and its health as a whole."""

from collections.abc import Iterable, Iterator, Mapping
from enum import Enum
from itertools import chain
from typing import NamedTuple

from aggregator.models.topology import Container, Node, Pod

# Why a container of a finished job or a stopped Docker container does not run.
_SUCCESS_REASONS = frozenset({"Completed", "exited"})
_START_REASONS = frozenset({"ContainerCreating", "PodInitializing"})
_READY_CONDITION = "Ready"
_FAILED_PHASES = frozenset({"Failed", "Unknown"})
_FAILED_SEVERITIES = frozenset({"critical", "emergency"})


class ObjectHealth(Enum):
    """How an object is as a whole."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"
    UNKNOWN = "unknown"

    @classmethod
    def of(cls, problems: "Iterable[Problem]", *, is_known: bool = True) -> "ObjectHealth":
        """Return the health of an object with these problems."""
        found = {problem.health for problem in problems}
        if cls.FAILED in found:
            return cls.FAILED
        if found:
            return cls.WARNING
        return cls.OK if is_known else cls.UNKNOWN


class Problem(NamedTuple):
    """One thing that is wrong, in a few words, and the health of an object that has no worse problem."""

    text: str
    health: ObjectHealth


def find_node_problems(node: Node) -> Iterator[Problem]:
    """Yield what is wrong with a node."""
    if node.gone_since_seconds is not None:
        yield Problem("gone", ObjectHealth.FAILED)
    if node.is_reporting is False:
        yield Problem("does not report", ObjectHealth.FAILED)
    ready = node.conditions.get(_READY_CONDITION, "true")
    if ready != "true":
        yield Problem("not ready" if ready == "false" else "Ready unknown", ObjectHealth.FAILED)
    for name, status in sorted(node.conditions.items()):
        if name != _READY_CONDITION and status == "true":
            yield Problem(name, ObjectHealth.WARNING)
    if node.is_unschedulable:
        yield Problem("cordoned", ObjectHealth.WARNING)
    yield from _find_alerts(node.alerts)


def find_pod_problems(pod: Pod) -> Iterator[Problem]:
    """Yield what is wrong with a pod and its containers."""
    if pod.phase in _FAILED_PHASES:
        yield Problem(pod.phase or "", ObjectHealth.FAILED)
    elif pod.phase == "Pending":
        yield Problem("Pending", ObjectHealth.WARNING)
    if pod.reason and pod.reason not in _SUCCESS_REASONS:
        yield Problem(pod.reason, ObjectHealth.FAILED)
    # Several containers often have the same problem.
    yield from dict.fromkeys(chain.from_iterable(map(find_container_problems, pod.containers.values())))
    if pod.phase == "Running" and pod.is_ready is False:
        yield Problem("not ready", ObjectHealth.WARNING)
    yield from _find_alerts(pod.alerts)


def find_container_problems(container: Container) -> Iterator[Problem]:
    """Yield what is wrong with a container."""
    if container.reason and container.reason not in _SUCCESS_REASONS:
        is_starting = container.reason in _START_REASONS
        yield Problem(container.reason, ObjectHealth.WARNING if is_starting else ObjectHealth.FAILED)
    if container.exit_code:
        yield Problem(f"exit code {container.exit_code}", ObjectHealth.FAILED)
    if container.health not in (None, "healthy"):
        yield Problem(
            str(container.health), ObjectHealth.WARNING if container.health == "starting" else ObjectHealth.FAILED
        )


def _find_alerts(severities: Mapping[str, str]) -> Iterator[Problem]:
    for name, severity in severities.items():
        yield Problem(f"alert {name}", ObjectHealth.FAILED if severity in _FAILED_SEVERITIES else ObjectHealth.WARNING)
