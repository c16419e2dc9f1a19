"""The topology as a tree: clusters, their nodes, the pods of each node, and their containers."""

import textwrap
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain

from aggregator.cli.terminal import (
    StyledLine,
    StyledText,
    TerminalStyle,
    TextColor,
    display_width,
    escape_control_characters,
    format_bytes,
    format_duration,
    pad_to_width,
    pluralize,
    truncate_to_width,
)
from aggregator.lookup.problems import (
    SUCCESS_REASONS,
    ObjectHealth,
    Problem,
    find_alert_problems,
    find_condition_problems,
    find_health_problems,
    find_reason_problems,
)
from aggregator.models.topology import Cluster, Container, Node, Pod, Topology

CLUSTER_DEPTH, NODE_DEPTH, POD_DEPTH, CONTAINER_DEPTH = 1, 2, 3, 4
NO_NODE_TEXT = "(on no node)"
_MAX_NAME_COLUMNS = 40
_MIN_NAME_COLUMNS = 8
# The share of the width of a terminal that names may take.
_NAME_SHARE = 0.6
# A node that is this much older than the newest one is marked. Scrape intervals are rarely longer than a minute.
SEEN_AGO_SECONDS = 120.0
BAR_COLUMNS = 10
WARNING_CELSIUS = 70
CRITICAL_CELSIUS = 85
WARNING_RATIO = 0.75
CRITICAL_RATIO = 0.9
_BAR_USED, _BAR_FREE = "█", "░"

_PHASE_COLORS: Mapping[str, TextColor] = {
    "Running": TextColor.GREEN,
    "Succeeded": TextColor.DIM,
    "Pending": TextColor.YELLOW,
    "Failed": TextColor.RED,
    "Unknown": TextColor.RED,
}

# In the order in which they are shown; other severities follow, sorted by name.
_SEVERITY_COLORS: Mapping[str, TextColor] = {
    "Critical": TextColor.RED,
    "High": TextColor.RED,
    "Medium": TextColor.YELLOW,
    "Low": TextColor.PLAIN,
    "Untriaged": TextColor.PLAIN,
}


@dataclass(frozen=True)
class Detail:
    """A part of a line after the name: what it is called, its text, and a shorter text for narrow terminals."""

    name: str
    text: StyledLine
    short_text: StyledLine | None = None

    def select_text(self, *, is_short: bool) -> StyledLine:
        """Return the short text if there is one and it is requested."""
        return self.short_text if is_short and self.short_text is not None else self.text


def describe_cluster(cluster: Cluster, nodes: int, pods: int) -> Iterator[Detail]:
    """Yield the details after the name of a cluster, most important first."""
    if cluster.type:
        yield Detail("type", [StyledText(cluster.type, TextColor.CYAN)])
    yield Detail("size", [StyledText(f"{pluralize(nodes, 'node')}, {pluralize(pods, 'pod')}")])
    if cluster.is_linked:
        yield Detail("linked", [StyledText("linked", TextColor.DIM)])


def describe_node(node: Node, newest_seconds: float) -> Iterator[Detail]:
    """Yield the details after the name of a node, most important first; it was last seen relative to the newest."""
    if node.gone_since_seconds is not None:
        age = format_duration(max(0.0, newest_seconds - node.gone_since_seconds))
        yield Detail("gone", [StyledText(f"gone for {age}", TextColor.RED)])
    elif node.last_seen_seconds is not None and newest_seconds - node.last_seen_seconds > SEEN_AGO_SECONDS:
        age = format_duration(newest_seconds - node.last_seen_seconds)
        yield Detail("last seen", [StyledText(f"seen {age} ago", TextColor.YELLOW)])
    if node.is_reporting is False:
        yield Detail("report", [StyledText("does not report", TextColor.RED)])
    yield from _describe_problems("conditions", find_condition_problems(node.conditions))
    if node.is_unschedulable:
        yield Detail("cordon", [StyledText("cordoned", TextColor.YELLOW)])
    yield from _describe_alerts(node.alerts)
    if node.cpu_cores is not None or node.cpu_usage_percent is not None:
        yield _describe_cpu(node)
    if any(size is not None for size in (node.available_memory_bytes, node.free_memory_bytes, node.memory_bytes)):
        yield _describe_memory(node)
    yield from _describe_requests(node)
    if node.temperature_celsius is not None:
        celsius = node.temperature_celsius
        yield Detail("temperature", [StyledText(f"{celsius:.0f} °C", _temperature_color(celsius))])
    if node.vulnerabilities:
        yield Detail("vulnerabilities", _render_vulnerabilities(node.vulnerabilities))
    if node.taints:
        yield Detail("taints", [StyledText(pluralize(len(node.taints), "taint"))])
    if node.devices:
        attached = sum(device.is_attached for device in node.devices.values())
        yield Detail("devices", [StyledText(f"{attached} of {pluralize(len(node.devices), 'device')}")])
    if node.architecture:
        yield Detail("architecture", [StyledText(node.architecture, TextColor.DIM)])


def describe_pod(pod: Pod) -> Iterator[Detail]:
    """Yield the details after the name of a pod, most important first. Containers of Docker hosts have no phase."""
    if pod.phase:
        yield Detail("phase", [StyledText(pod.phase, _PHASE_COLORS.get(pod.phase, TextColor.DIM))])
    containers = pod.containers.values()
    reasons = [*_describe_problems("reason", find_reason_problems((pod.reason, *(each.reason for each in containers))))]
    yield from reasons
    if not reasons and pod.phase == "Running" and pod.is_ready is False:
        yield Detail("readiness", [StyledText("not ready", TextColor.YELLOW)])
    yield from _describe_problems("health", chain.from_iterable(map(find_health_problems, containers)))
    yield from _describe_restarts(containers)
    yield from _describe_alerts(pod.alerts)
    yield Detail("containers", [StyledText(pluralize(len(pod.containers), "container"))])
    if pod.ip:
        yield Detail("IP address", [StyledText(pod.ip, TextColor.DIM)])


def describe_container(container: Container) -> Iterator[Detail]:
    """Yield the details after the name of a container, most important first."""
    yield from _describe_problems("reason", find_reason_problems([container.reason]))
    yield from _describe_problems("health", find_health_problems(container))
    yield from _describe_restarts([container])
    if container.cpu_usage_cores is not None:
        yield Detail("CPU", [StyledText(f"cpu {container.cpu_usage_cores:.3f}")])
    if container.memory_bytes is not None:
        yield Detail("memory", [StyledText(f"mem {format_bytes(container.memory_bytes)}")])
    if container.image:
        yield Detail("image", [StyledText(container.image, TextColor.DIM)])


def _describe_problems(name: str, problems: Iterable[Problem]) -> Iterator[Detail]:
    """Yield one detail with all problems, in the color of each."""
    texts: list[StyledText] = []
    for problem in problems:
        color = TextColor.RED if problem.health is ObjectHealth.FAILED else TextColor.YELLOW
        texts += [*([StyledText(", ")] if texts else []), StyledText(problem.text, color)]
    if texts:
        yield Detail(name, texts)


def _describe_alerts(severities: Mapping[str, str]) -> Iterator[Detail]:
    """Yield the name of the alert that fires for an object, or the number of its alerts."""
    problems = list(find_alert_problems(severities))
    if problems:
        color = TextColor.RED if ObjectHealth.of(problems) is ObjectHealth.FAILED else TextColor.YELLOW
        text = problems[0].text if len(problems) == 1 else pluralize(len(problems), "alert")
        yield Detail("alerts", [StyledText(text, color)])


def _describe_requests(node: Node) -> Iterator[Detail]:
    """Yield what the pods of a node request of what they can use: amounts, or percentages if there is little room."""
    amounts: list[StyledText] = []
    percentages: list[StyledText] = []
    for name, requested, allocatable, format_amount in (
        ("cpu", node.requested_cpu_cores, node.allocatable_cpu_cores, _format_cores),
        ("mem", node.requested_memory_bytes, node.allocatable_memory_bytes, format_bytes),
    ):
        if requested is not None and allocatable:
            label = StyledText(f"{', ' if amounts else 'requests '}{name} ")
            color = TextColor.YELLOW if requested >= CRITICAL_RATIO * allocatable else TextColor.PLAIN
            amount = f"{format_amount(requested)} of {format_amount(allocatable)}"
            amounts += [label, StyledText(amount, color)]
            percentages += [label, StyledText(f"{100 * requested / allocatable:.0f} %", color)]
    if amounts:
        yield Detail("requests", amounts, percentages)


def _format_cores(cores: float) -> str:
    return f"{cores:.1f}".removesuffix(".0")


def _describe_restarts(containers: Collection[Container]) -> Iterator[Detail]:
    """Yield how often containers were restarted, and why they were terminated before the last restart."""
    restarts = sum(container.restart_count or 0 for container in containers)
    if not restarts:
        return
    texts = [StyledText(pluralize(restarts, "restart"))]
    last_reasons = dict.fromkeys(container.last_termination_reason for container in containers)
    if reasons := [reason for reason in last_reasons if reason and reason not in SUCCESS_REASONS]:
        texts += [StyledText(", last "), StyledText(", ".join(reasons), TextColor.YELLOW)]
    yield Detail("restarts", texts)


def _describe_cpu(node: Node) -> Detail:
    cores = f" of {node.cpu_cores:g}" if node.cpu_cores is not None else ""
    if node.cpu_usage_percent is None:
        return Detail("CPU", [StyledText(f"cpu{cores.replace(' of', '')}")])
    usage = f" {node.cpu_usage_percent:3.0f} %{cores}"
    bar = render_bar(node.cpu_usage_percent / 100)
    return Detail("CPU", [StyledText("cpu "), *bar, StyledText(usage)], [StyledText(f"cpu{usage}")])


def _describe_memory(node: Node) -> Detail:
    """Return the available memory, which includes caches that can be freed, or else the free memory, and the total."""
    total = node.memory_bytes if node.memory_bytes is not None else node.host_memory_bytes
    unused, state = (
        (node.available_memory_bytes, "available")
        if node.available_memory_bytes is not None
        else (node.free_memory_bytes, "free")
    )
    if unused is None:
        return Detail("memory", [StyledText(f"mem {format_bytes(total or 0)}")])
    if not total:
        return Detail("memory", [StyledText(f"mem {format_bytes(unused)} {state}")])
    amount = f" {format_bytes(unused)} of {format_bytes(total)} {state}"
    bar = render_bar(1 - unused / total)
    return Detail("memory", [StyledText("mem "), *bar, StyledText(amount)], [StyledText(f"mem{amount}")])


def _render_vulnerabilities(counts_by_severity: Mapping[str, int]) -> StyledLine:
    severities = [
        *(name for name in _SEVERITY_COLORS if name in counts_by_severity),
        *sorted(set(counts_by_severity) - set(_SEVERITY_COLORS)),
    ]
    texts = [StyledText("vuln")]
    for name in severities:
        texts += [
            StyledText(" "),
            StyledText(f"{counts_by_severity[name]} {name.lower()}", _SEVERITY_COLORS.get(name, TextColor.PLAIN)),
        ]
    return texts


def _temperature_color(celsius: float) -> TextColor:
    if celsius >= CRITICAL_CELSIUS:
        return TextColor.RED
    return TextColor.YELLOW if celsius >= WARNING_CELSIUS else TextColor.PLAIN


def render_bar(usage_ratio: float) -> StyledLine:
    """Return a bar for a ratio from 0 to 1, colored by how close it is to 1."""
    clamped_ratio = min(max(usage_ratio, 0.0), 1.0)
    used_columns = round(clamped_ratio * BAR_COLUMNS)
    color = TextColor.GREEN
    if clamped_ratio >= WARNING_RATIO:
        color = TextColor.RED if clamped_ratio >= CRITICAL_RATIO else TextColor.YELLOW
    return [
        StyledText(_BAR_USED * used_columns, color),
        StyledText(_BAR_FREE * (BAR_COLUMNS - used_columns), TextColor.DIM),
    ]


@dataclass(frozen=True)
class _TreeBranch:
    """A line of the tree and its children."""

    name: str
    details: Sequence[Detail]
    color: TextColor = TextColor.PLAIN
    children: "Sequence[_TreeBranch]" = ()


def render_tree(topology: Topology, style: TerminalStyle, depth: int) -> Iterator[StyledLine]:
    """Yield the lines of the tree down to a depth (1: clusters, 4: containers), then what is too wide for them."""
    renderer = _TreeRenderer(style)
    nodes, pods = topology.group_nodes_by_cluster(), topology.group_pods_by_cluster()
    newest_seconds = max((node.last_seen_seconds or 0.0 for node in topology.nodes.values()), default=0.0)
    for key, cluster in topology.clusters.items():
        details = list(describe_cluster(cluster, len(nodes[key]), len(pods[key])))
        yield renderer.render_line([StyledText(key, TextColor.BOLD)], details)
        if depth >= NODE_DEPTH:
            yield from renderer.render_branches(_build_node_branches(nodes[key], pods[key], depth, newest_seconds), "")
    yield from renderer.render_hint()


def _build_node_branches(
    nodes: Iterable[Node], pods: Iterable[Pod], depth: int, newest_seconds: float
) -> list[_TreeBranch]:
    pods_by_node: dict[str | None, list[Pod]] = {}
    for pod in pods:
        pods_by_node.setdefault(pod.node, []).append(pod)
    build_children = partial(_build_pod_branches, depth=depth) if depth >= POD_DEPTH else _build_no_branches
    branches = [
        _TreeBranch(
            node.key,
            list(describe_node(node, newest_seconds)),
            TextColor.CYAN,
            build_children(pods_by_node.pop(node.key, [])),
        )
        for node in nodes
    ]
    # Pods without a node, and pods whose node is not in the topology.
    pods_without_node = list(chain.from_iterable(pods_by_node.values()))
    if pods_without_node and depth >= POD_DEPTH:
        branches.append(_TreeBranch(NO_NODE_TEXT, (), TextColor.DIM, build_children(pods_without_node)))
    return branches


def _build_no_branches(_pods: Sequence[Pod]) -> list[_TreeBranch]:
    return []


def _build_pod_branches(pods: Sequence[Pod], depth: int) -> list[_TreeBranch]:
    return [
        _TreeBranch(
            f"{pod.namespace}/{pod.name}" if pod.namespace else pod.name,
            list(describe_pod(pod)),
            children=_build_container_branches(pod.containers.values()) if depth >= CONTAINER_DEPTH else (),
        )
        for pod in pods
    ]


def _build_container_branches(containers: Iterable[Container]) -> list[_TreeBranch]:
    return [_TreeBranch(each.name, list(describe_container(each)), TextColor.DIM) for each in containers]


class _TreeRenderer:
    """Fits the lines of a tree to the width of the terminal, and remembers which details it left out."""

    def __init__(self, style: TerminalStyle) -> None:
        self._style = style
        # The names of the details, in the order in which they were left out.
        self._hidden: dict[str, None] = {}

    def render_branches(self, branches: Sequence[_TreeBranch], indent: str) -> Iterator[StyledLine]:
        """Yield the lines of sibling branches, their names padded to the same width.

        If more details of one of them fit without bars, none of them has bars, so that columns stay below each other.
        """
        name_columns = self._compute_name_columns(branches, indent)
        stems = [self._render_stem(branches, index, indent, name_columns) for index in range(len(branches))]
        is_short = any(self._has_room_without_bars(stem, branch) for stem, branch in zip(stems, branches, strict=True))
        for index, (stem, branch) in enumerate(zip(stems, branches, strict=True)):
            yield self.render_line(stem, branch.details, is_short=is_short)
            continuation = "   " if index == len(branches) - 1 else "│  "
            yield from self.render_branches(branch.children, indent + continuation)

    def render_line(self, texts: StyledLine, details: Sequence[Detail], *, is_short: bool = False) -> StyledLine:
        """Return a line with as many details as fit."""
        groups = [detail.select_text(is_short=is_short) for detail in details]
        for detail in details[self._style.count_fitting(texts, groups) :]:
            self._hidden[detail.name] = None
        return self._style.fit_line(texts, groups)

    def render_hint(self) -> Iterator[StyledLine]:
        """Yield lines that name the details that do not fit."""
        if self._hidden and self._style.width is not None:
            yield []
            hint = f"too narrow for: {', '.join(self._hidden)}"
            yield from ([StyledText(line, TextColor.DIM)] for line in textwrap.wrap(hint, self._style.width))

    def _has_room_without_bars(self, stem: StyledLine, branch: _TreeBranch) -> bool:
        long_count, short_count = (
            self._style.count_fitting(stem, [detail.select_text(is_short=is_short) for detail in branch.details])
            for is_short in (False, True)
        )
        return short_count > long_count

    def _compute_name_columns(self, branches: Sequence[_TreeBranch], indent: str) -> int:
        """Return the width of the longest name; on a terminal, names take only a part of the line."""
        longest = max((display_width(escape_control_characters(branch.name)) for branch in branches), default=0)
        if self._style.width is None:
            return longest
        share = int(self._style.width * _NAME_SHARE) - len(indent)
        return min(longest, _MAX_NAME_COLUMNS, max(share, _MIN_NAME_COLUMNS))

    def _render_stem(self, branches: Sequence[_TreeBranch], index: int, indent: str, name_columns: int) -> StyledLine:
        branch = branches[index]
        name = pad_to_width(truncate_to_width(escape_control_characters(branch.name), name_columns), name_columns)
        stem = indent + ("└─ " if index == len(branches) - 1 else "├─ ")
        return [StyledText(stem, TextColor.DIM), StyledText(name, branch.color)]
