"""Reports of node agents: what a host tells about itself, read leniently, because the senders differ."""

import json
import math
from collections.abc import Mapping
from datetime import datetime
from typing import Any, TypeVar

import msgspec

# A report names at most this many containers, disks, interfaces and labels of each kind.
MAX_REPORTED_ITEMS = 10_000
MAX_REPORTED_TEXT_CHARACTERS = 4096
DEFAULT_METRICS_PATH = "/metrics"

_Item = TypeVar("_Item")


class MalformedReportError(ValueError):
    """A report that is not a JSON object. The text is the reason."""


class ReportedContainer(msgspec.Struct, frozen=True):
    """A container as an agent reports it."""

    id: str
    name: str | None = None
    image: str | None = None
    labels: dict[str, str] | None = None


class DiskUsage(msgspec.Struct, frozen=True):
    """The size of a file system, and how much of it is used."""

    total_bytes: float | None = None
    used_bytes: float | None = None


class InterfaceTraffic(msgspec.Struct, frozen=True):
    """What a network interface has received and sent since the host started."""

    received_bytes: float | None = None
    sent_bytes: float | None = None


class ReportedHealth(msgspec.Struct, frozen=True):
    """The numbers of a host; None is unknown."""

    cpu_percent: float | None = None
    memory_total_bytes: float | None = None
    memory_available_bytes: float | None = None
    memory_used_bytes: float | None = None
    disks: dict[str, DiskUsage] = {}
    interfaces: dict[str, InterfaceTraffic] = {}


class MetricsEndpoint(msgspec.Struct, frozen=True):
    """Where an agent serves its metrics; the host is the address that it reported from."""

    scheme: str
    port: int
    path: str


class NodeReport(msgspec.Struct, frozen=True):
    """One report. `local_time` is the text of the sender; `time_seconds` is None if the text has no zone."""

    local_time: str | None = None
    time_seconds: float | None = None
    address: str | None = None
    labels: dict[str, str] = {}
    containers: tuple[ReportedContainer, ...] | None = None
    health: ReportedHealth = ReportedHealth()
    metrics: MetricsEndpoint | None = None
    boot_id: str | None = None
    agent: str | None = None


def parse_report(body: bytes) -> NodeReport:
    """Return the report of a request body; raise MalformedReportError if it is not a JSON object.

    A field with a value of the wrong type counts as absent. Labels and containers may also be below `system`, where
    the document of the old agent has them.
    """
    try:
        # Python programs write NaN, which is not JSON.
        document = json.loads(body, parse_constant=lambda _name: None)
    except (ValueError, RecursionError):
        raise MalformedReportError("the body is not JSON") from None
    if not isinstance(document, dict):
        raise MalformedReportError("the body is not a JSON object")
    system = _read_object(document.get("system"))
    containers = document.get("containers", system.get("containers"))
    local_time = _read_text(document.get("time"))
    return NodeReport(
        local_time=local_time,
        time_seconds=_parse_zoned_time(_read_text(document.get("timeUtc"))) or _parse_zoned_time(local_time),
        address=_read_text(document.get("address")),
        labels=_read_labels(document.get("labels", system.get("labels"))) or {},
        containers=_read_containers(containers) if isinstance(containers, list) else None,
        health=_read_health(system),
        metrics=_read_endpoint(document.get("metrics")),
        boot_id=_read_text(document.get("bootId")),
        agent=_read_text(document.get("agent")),
    )


def _read_health(system: Mapping[str, Any]) -> ReportedHealth:
    memory = _read_object(system.get("memory"))
    return ReportedHealth(
        cpu_percent=_read_number(system.get("cpuLoad")),
        memory_total_bytes=_read_number(memory.get("total")),
        memory_available_bytes=_read_number(memory.get("available")),
        memory_used_bytes=_read_number(memory.get("used")),
        disks={
            mount: DiskUsage(_read_number(disk.get("total")), _read_number(disk.get("used")))
            for mount, disk in _read_objects(system.get("disks"))
        },
        interfaces={
            name: InterfaceTraffic(_read_number(traffic.get("bytesIn")), _read_number(traffic.get("bytesOut")))
            for name, traffic in _read_objects(system.get("net"))
        },
    )


def _read_containers(values: list[Any]) -> tuple[ReportedContainer, ...]:
    containers = []
    for value in map(_read_object, values[:MAX_REPORTED_ITEMS]):
        container_id = _read_text(value.get("id"))
        if container_id:
            containers.append(
                ReportedContainer(
                    container_id,
                    _read_text(value.get("name")),
                    _read_text(value.get("image")),
                    _read_labels(value.get("labels")),
                )
            )
    return tuple(containers)


def _read_endpoint(value: object) -> MetricsEndpoint | None:
    endpoint = _read_object(value)
    port, scheme = _read_number(endpoint.get("port")), endpoint.get("scheme", "http")
    path = endpoint.get("path", DEFAULT_METRICS_PATH)
    is_valid_path = isinstance(path, str) and path.startswith("/") and path.isascii() and path.isprintable()
    if port is None or not port.is_integer() or not 1 <= port <= 65535 or scheme not in ("http", "https"):
        return None
    return MetricsEndpoint(scheme, int(port), path) if is_valid_path and " " not in path else None


def _read_object(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _read_objects(value: object) -> list[tuple[str, dict[str, Any]]]:
    return [(_cut(key), each) for key, each in _read_items(value) if isinstance(each, dict)]


def _read_items(value: object) -> list[tuple[str, Any]]:
    return list(_read_object(value).items())[:MAX_REPORTED_ITEMS]


def _read_labels(value: object) -> dict[str, str] | None:
    if not isinstance(value, dict):
        return None
    return {_cut(key): _cut(text) for key, text in _read_items(value) if isinstance(text, str)}


def _read_text(value: object) -> str | None:
    return _cut(value) if isinstance(value, str) else None


def _cut(text: str) -> str:
    # Half of a surrogate pair can be written in JSON, but not be encoded as UTF-8.
    return text[:MAX_REPORTED_TEXT_CHARACTERS].encode("utf-8", "replace").decode()


def _read_number(value: object) -> float | None:
    """Return a number, or the number in a text; None for anything else, and for numbers that are not finite."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _parse_zoned_time(text: str | None) -> float | None:
    """Return the Unix time of an ISO 8601 text with a zone, None for any other text."""
    try:
        time = datetime.fromisoformat(text or "")
        return time.timestamp() if time.tzinfo is not None else None
    except (ValueError, OverflowError):
        return None
