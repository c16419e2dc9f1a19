"""The metrics of the old Docker exporter, from the JSON that its agents serve at /get-data.

The names, labels, values and their order are a contract. What is wrong in one field costs the sample of that field.
"""

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from aggregator.exposition.labels import format_labels
from aggregator.exposition.page import Family, Page, SampleLine

ONLINE, OFFLINE = "1", "2"
# A host with more containers than this is not a Docker host, but an attack.
MAX_CONTAINERS = 10_000
# Each sample of the host has its name: a long name of a host with many containers would fill the memory.
MAX_HOSTNAME_CHARACTERS = 255

_NUMBER_FIELDS = (
    ("image-count", "server_image_count"),
    ("total-container-count", "server_total_container_count"),
    ("running-container-count", "server_running_container_count"),
)
_CONTAINER_LABELS = (
    ("container_id", "id"),
    ("container_name", "name"),
    ("container_image", "image"),
    ("container_image_label", "image-label"),
    ("container_user", "user"),
)
_PERCENT_FIELDS = (("cpu-percent", "container_cpu_percent"), ("mem-percent", "container_mem_percent"))
_BYTE_FIELDS = (
    ("network-bytes-in", "container_network_bytes_in"),
    ("network-bytes-out", "container_network_bytes_out"),
    ("block-bytes-in", "container_block_bytes_in"),
    ("block-bytes-out", "container_block_bytes_out"),
)
LEGACY_HELP: Mapping[str, str] = {
    "server_online": "1 if the agent answered, 2 if it is known but did not answer.",
    "server_ip": "Address of the agent as in the list of agents, in the label server_ip.",
    "server_hostname": "Host name, in the label server_hostname.",
    "server_agent_running": "1 if the agent answered.",
    "server_docker_running": "Whether Docker runs on the host.",
    "server_docker_version": "Version of Docker, in the label server_docker_version.",
    "server_swarm_mode": "Whether the host is in a swarm.",
    "server_image_count": "Number of images.",
    "server_total_container_count": "Number of containers, also those that do not run.",
    "server_running_container_count": "Number of running containers.",
    "container_info": "Always 1; what does not change about a container, in labels.",
    "container_state": "State of a container, in the label container_state.",
    "container_status": "Status of a container, in the label container_status.",
    "container_cpu_percent": "CPU usage of a container, scaled by LEGACY_PERCENT_SCALE.",
    "container_mem_percent": "Memory usage of a container, scaled by LEGACY_PERCENT_SCALE.",
    "container_network_bytes_in": "Bytes that a container received.",
    "container_network_bytes_out": "Bytes that a container sent.",
    "container_block_bytes_in": "Bytes that a container read.",
    "container_block_bytes_out": "Bytes that a container wrote.",
}


@dataclass(frozen=True)
class LegacyHost:
    """What an agent answered; `data` is None if it did not."""

    address: str
    hostname: str
    data: Mapping[str, Any] | None = None


@dataclass
class LegacyPage:
    """The samples of all hosts, in the order of the old aggregator, and how many were left out."""

    samples: list[SampleLine] = field(default_factory=list)
    invalid_fields: int = 0
    _seen: set[tuple[str, str]] = field(default_factory=set)
    _label_orders: set[tuple[str, ...]] = field(default_factory=set)

    def write_lines(self) -> bytes:
        """Return the page of the old aggregator."""
        return "".join(f"{line.name}{{{line.label_text}}} {line.value}\n" for line in self.samples).encode()

    def group_families(self) -> Page:
        """Return the samples as a page with a family for each name."""
        families = {name: Family(name, "gauge", text) for name, text in LEGACY_HELP.items()}
        for sample in self.samples:
            families[sample.name].samples.append(sample)
        present = [family for family in families.values() if family.samples]
        return Page(present, label_orders=frozenset(self._label_orders))

    def add_sample(self, name: str, labels: Sequence[tuple[str, str]], value: str | None) -> None:
        """Add a sample unless its value is invalid, or the page has the series already."""
        label_text = format_labels(labels)
        if value is None:
            self.invalid_fields += 1
        elif (name, label_text) not in self._seen:
            self._seen.add((name, label_text))
            self._label_orders.add(tuple(label for label, _ in labels))
            self.samples.append(SampleLine(name, label_text, value))


def parse_agent_data(body: bytes) -> dict[str, Any]:
    """Return the JSON object that an agent served; raise ValueError if it is not one."""
    try:
        data = json.loads(body, parse_constant=lambda _name: None)
    except RecursionError:
        raise ValueError("the JSON is nested too deeply") from None
    if not isinstance(data, dict):
        raise ValueError("the answer is not a JSON object")  # noqa: TRY004 - one kind of error for the caller
    return data


def choose_hostname(data: Mapping[str, Any], address: str) -> str:
    """Return the host name that an agent reports, its address if there is none."""
    return (_read_text(data.get("hostname")) or address)[:MAX_HOSTNAME_CHARACTERS]


def name_hosts_uniquely(hosts: Iterable[LegacyHost]) -> list[LegacyHost]:
    """Return the hosts; the second of a name gets its address, too, because its series would be the same."""
    used: set[str] = set()
    named = []
    for host in hosts:
        hostname = host.hostname
        while hostname in used:
            hostname = f"{hostname} ({host.address})"
        used.add(hostname)
        named.append(LegacyHost(host.address, hostname, host.data))
    return named


def build_legacy_page(hosts: Iterable[LegacyHost], percent_scale: int) -> LegacyPage:
    """Return the samples of hosts that answered in their order, then those of the others."""
    page = LegacyPage()
    offline = []
    for host in hosts:
        if host.data is None:
            offline.append(host)
        else:
            _add_host(page, host, host.data, percent_scale)
    for host in offline:
        page.add_sample("server_online", [("hostname", host.hostname)], OFFLINE)
    return page


def _add_host(page: LegacyPage, host: LegacyHost, data: Mapping[str, Any], percent_scale: int) -> None:
    own = [("hostname", host.hostname)]
    page.add_sample("server_online", own, ONLINE)
    page.add_sample("server_ip", [*own, ("server_ip", host.address)], "1")
    page.add_sample("server_hostname", [*own, ("server_hostname", host.hostname)], "1")
    page.add_sample("server_agent_running", own, "1")
    is_running = _format_number(data.get("docker-running"), allows_bool=True)
    page.add_sample("server_docker_running", own, is_running)
    if is_running == "0":
        return
    _add_text(page, "server_docker_version", own, data.get("docker-version"))
    page.add_sample("server_swarm_mode", own, _format_number(data.get("swarm-mode"), allows_bool=True))
    for key, name in _NUMBER_FIELDS:
        page.add_sample(name, own, _format_number(data.get(key)))
    containers = data.get("containers")
    for container in containers[:MAX_CONTAINERS] if isinstance(containers, list) else []:
        if isinstance(container, dict):
            _add_container(page, own, container, percent_scale)
        else:
            page.invalid_fields += 1


def _add_container(
    page: LegacyPage, host_labels: list[tuple[str, str]], container: Mapping[str, Any], percent_scale: int
) -> None:
    name = _read_text(container.get("name")) or _read_text(container.get("id"))
    if not name:
        page.invalid_fields += 1
        return
    own = [*host_labels, ("container_name", name)]
    page.add_sample("container_info", [*host_labels, *_list_info_labels(container, name)], "1")
    _add_text(page, "container_state", own, container.get("state"))
    _add_text(page, "container_status", own, container.get("status"))
    for key, metric in _PERCENT_FIELDS:
        page.add_sample(metric, own, _format_percent(container.get(key), percent_scale))
    for key, metric in _BYTE_FIELDS:
        page.add_sample(metric, own, _format_number(container.get(key)))


def _list_info_labels(container: Mapping[str, Any], name: str) -> Iterator[tuple[str, str]]:
    for label, key in _CONTAINER_LABELS:
        yield label, name if key == "name" else _read_text(container.get(key)) or ""
    yield "container_creation_time", _format_time(container.get("created-at"))


def _add_text(page: LegacyPage, metric: str, own: list[tuple[str, str]], value: object) -> None:
    """Add a text as a label that is named like its metric."""
    text = _read_text(value)
    page.add_sample(metric, [*own, (metric, text or "")], None if text is None else "1")


def _read_text(value: object) -> str | None:
    # Half of a surrogate pair can be written in JSON, but not be encoded as UTF-8.
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else None


def _read_number(value: object, *, allows_bool: bool = False) -> int | float | None:
    """Return an integer, a float or the number in a text; None for anything else and what is not finite."""
    if isinstance(value, bool):
        return int(value) if allows_bool else None
    if isinstance(value, str):
        try:
            value = int(value) if value.strip().lstrip("+-").isdigit() else float(value)
        except ValueError:
            return None
    if isinstance(value, int):
        return value if abs(value) < 2**200 else None
    return value if isinstance(value, float) and math.isfinite(value) else None


def _format_number(value: object, *, allows_bool: bool = False) -> str | None:
    number = _read_number(value, allows_bool=allows_bool)
    return None if number is None else str(number)


def _format_percent(value: object, scale: int) -> str | None:
    """Return hundredths of a percent, cut off, for the scale 100; the percent itself for the scale 1."""
    number = _read_number(value)
    if number is None:
        return None
    try:
        return str(number if scale == 1 else int(number * scale))
    except OverflowError:
        return None


def _format_time(value: object) -> str:
    """Return the UTC time without a zone, as the old aggregator wrote its local time; "" without a valid time."""
    number = _read_number(value)
    try:
        return datetime.fromtimestamp(number, UTC).replace(tzinfo=None).isoformat() if number is not None else ""
    except (ValueError, OverflowError, OSError):
        return ""
