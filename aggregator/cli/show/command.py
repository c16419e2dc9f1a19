"""The command `aggregator show`: prints the topology of a running gateway, or of one refresh, as a tree or JSON."""

import argparse
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import msgspec

from aggregator.cli.gateway import FetchError, parse_gateway_url
from aggregator.cli.show.fetch import (
    FetchedTopology,
    InvalidDocumentError,
    collect_topology,
    convert_watched_topology,
    fetch_topology,
)
from aggregator.cli.show.tree import CLUSTER_DEPTH, CONTAINER_DEPTH, POD_DEPTH, render_tree
from aggregator.cli.terminal import (
    CommandOutput,
    StyledLine,
    StyledText,
    TerminalStyle,
    TextColor,
    format_duration,
    open_stderr,
    open_stdout,
    pluralize,
)
from aggregator.cli.watch.stream import DISCONNECT_EVENT, ReceivedEvent, WatchStream
from aggregator.cli.watch.topology_copy import TopologyCopy
from aggregator.errors import BadRequestError, RecordingError, RefreshFailedError, SettingsError
from aggregator.lookup.filter import ObjectPredicate
from aggregator.lookup.request import LookupOptions, LookupPlan, Resource
from aggregator.models.topology import Node, Pod, Topology
from aggregator.observability import logs
from aggregator.observability.redaction import Redactor
from aggregator.settings.gateway import Settings
from aggregator.settings.settings import find_secrets, load_settings
from aggregator.views import v1_format

DEFAULT_WATCH_SECONDS = 5.0
MAX_WATCH_SECONDS = 86400.0
# The longest time that a gateway holds changes back.
MAX_MIN_INTERVAL_SECONDS = 60.0

_NodeOrPod = TypeVar("_NodeOrPod", Node, Pod)

# The key of a cluster, and the key of a node or pod within it.
EntityKey = tuple[str, str]


@dataclass(frozen=True)
class TopologyFilters:
    """Filters for nodes and pods in the filter language of /api/v1; an empty filter matches everything."""

    nodes: str = ""
    labels: str = ""
    pods: str = ""

    @property
    def is_empty(self) -> bool:
        """Whether everything matches."""
        return not (self.nodes or self.labels or self.pods)

    def describe_no_match(self, topology: Topology) -> str:
        """Return a line for a topology in which nothing matches."""
        node_filters = " and ".join(filter(None, (self.nodes, self.labels)))
        if not self.pods:
            return f"no node matches {node_filters}, of {pluralize(len(topology.nodes), 'node')}"
        place = f" on a node that matches {node_filters}" if node_filters else ""
        return f"no pod{place} matches {self.pods}, of {pluralize(len(topology.pods), 'pod')}"


def filter_topology(topology: Topology, filters: TopologyFilters) -> Topology:
    """Return the matching part of a topology; raise BadRequestError for an invalid filter.

    Pods of nodes that do not match are left out. With a pod filter, nodes without a matching pod are left out.
    """
    node_plan = LookupPlan(Resource.NODES, LookupOptions(filter=filters.nodes, labels=filters.labels))
    node_test = node_plan.build_predicate(topology)
    pod_test = LookupPlan(Resource.PODS, LookupOptions(filter=filters.pods)).build_predicate(topology)
    if node_test is None and pod_test is None:
        return topology
    nodes = _filter_members(topology.nodes, node_test)
    pods = _filter_members(topology.pods, pod_test)
    if node_test is not None:
        pods = {key: pod for key, pod in pods.items() if _node_key(pod) in nodes}
    if pod_test is not None:
        with_pods = {_node_key(pod) for pod in pods.values()}
        nodes = {key: node for key, node in nodes.items() if key in with_pods}
    clusters = {cluster for cluster, _ in (*nodes, *pods)}
    return msgspec.structs.replace(
        topology,
        clusters={key: cluster for key, cluster in topology.clusters.items() if key in clusters},
        nodes=nodes,
        pods=pods,
    )


def _filter_members(
    members: Mapping[EntityKey, _NodeOrPod], test: ObjectPredicate | None
) -> dict[EntityKey, _NodeOrPod]:
    return dict(members) if test is None else {key: member for key, member in members.items() if test(member)}


def _node_key(pod: Pod) -> EntityKey:
    return (pod.cluster, pod.node or "")


def configure_show_parser(parser: argparse.ArgumentParser) -> None:
    """Add description and arguments of the command to its parser."""
    parser.description = (
        "Prints the topology as a tree of clusters, nodes, pods and containers, followed by the missing "
        "data. With --url it fetches the topology from a running gateway, with the token in the environment variable "
        "TOKEN; without --url it runs one refresh with the settings of the environment. Output to a terminal is "
        "colored unless NO_COLOR is set. Exit code: 0 shown, 1 no topology, or an empty one because data is missing, "
        "2 invalid settings or filter, 130 after Ctrl-C."
    )
    parser.add_argument(
        "--url", metavar="URL", type=parse_gateway_url, help="base URL of a running gateway: http://localhost:8080"
    )
    parser.add_argument(
        "--depth",
        type=int,
        choices=range(CLUSTER_DEPTH, CONTAINER_DEPTH + 1),
        default=POD_DEPTH,
        help="1: clusters, 2: and nodes, 3: and pods, 4: and containers (default: 3)",
    )
    parser.add_argument(
        "--nodes", metavar="FILTER", default="", help="only matching nodes: 'available_memory_bytes>=4Gi'"
    )
    parser.add_argument(
        "--labels", metavar="SELECTOR", default="", help="only nodes with matching labels: 'zone in (a,b)'"
    )
    parser.add_argument(
        "--pods", metavar="FILTER", default="", help="only matching pods, and their nodes: 'phase=Running'"
    )
    output = parser.add_mutually_exclusive_group()
    output.add_argument("--json", action="store_true", help="print the v1 JSON document instead of a tree")
    output.add_argument(
        "--watch",
        metavar="SECONDS",
        nargs="?",
        type=_parse_watch_seconds,
        const=DEFAULT_WATCH_SECONDS,
        help=f"draw again every {DEFAULT_WATCH_SECONDS:g} seconds, or as often as given, until Ctrl-C; with --url, if "
        "it has changed; the tree is cut to the height of the terminal",
    )
    parser.set_defaults(run=run_show)


def _parse_watch_seconds(text: str) -> float:
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= MAX_WATCH_SECONDS):
        raise argparse.ArgumentTypeError(f"must be between 1 and {MAX_WATCH_SECONDS:.0f}, got {text!r}")
    return float(text)


def run_show(arguments: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """Print the topology; return 0 if there is one, 1 if not, 2 for invalid settings or filters."""
    filters = TopologyFilters(arguments.nodes, arguments.labels, arguments.pods)
    if arguments.watch is not None and arguments.url is not None:
        return watch_gateway(arguments, environ, filters)
    if arguments.watch is not None:
        return watch_topology(
            lambda: _show_topology(arguments, environ, filters), arguments.watch, open_stdout(environ)
        )
    return _show_topology(arguments, environ, filters)


def watch_topology(
    draw: Callable[[], int], seconds: float, output: CommandOutput, sleep: Callable[[float], None] = time.sleep
) -> int:
    """Draw again and again until Ctrl-C; return 2 if the settings or filters are invalid."""
    while draw() != 2:
        output.flush()
        sleep(seconds)
    return 2


def watch_gateway(arguments: argparse.Namespace, environ: Mapping[str, str], filters: TopologyFilters) -> int:
    """Draw again when something changes at a gateway, until Ctrl-C; return 1 if it cannot be watched, 2 as above."""
    output, errors = open_stdout(environ), open_stderr()
    parameters = {"min_interval": f"{min(arguments.watch, MAX_MIN_INTERVAL_SECONDS):g}s"}
    token = environ.get("TOKEN", "").strip()
    screen = WatchedScreen(arguments.url)
    try:
        filter_topology(Topology(), filters)
        for event in WatchStream(arguments.url, token, parameters, environ).iterate_events():
            if event.name == DISCONNECT_EVENT:
                errors.write_line(f"{arguments.url}: {event.data['reason']}")
            fetched = screen.apply(event)
            if fetched is not None:
                _write_topology(arguments, fetched, filters, output)
                output.flush()
    except BadRequestError as error:
        errors.write_problems(error)
        return 2
    except (FetchError, InvalidDocumentError) as error:
        errors.write_line(f"{arguments.url}: {error}")
    return 1


class WatchedScreen:
    """What a watch shows now."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._copy = TopologyCopy()
        self._is_filled = False
        self._gaps: tuple[str, ...] = ()
        self._time = ""

    def apply(self, event: ReceivedEvent) -> FetchedTopology | None:
        """Apply an event; return the topology if there is something new to draw."""
        changes = self._copy.apply(event)
        self._is_filled = self._is_filled or changes is None
        self._time = event.data.get("time", self._time)
        if event.name == "completeness":
            self._gaps = tuple(str(gap) for gap in event.data.get("gaps", ()))
        elif changes == []:
            return None
        if not self._is_filled:
            return None
        origin = f"{self._url} at {self._time}"
        return FetchedTopology(convert_watched_topology(self._copy), b"", self._gaps, origin)


def _show_topology(arguments: argparse.Namespace, environ: Mapping[str, str], filters: TopologyFilters) -> int:
    errors = open_stderr()
    try:
        # An invalid filter is reported before anything is queried.
        filter_topology(Topology(), filters)
        fetched = _load_topology(arguments, environ)
    except (SettingsError, BadRequestError) as error:
        errors.write_problems(error)
        return 2
    except (FetchError, RefreshFailedError) as error:
        errors.write_line(f"{arguments.url or 'refresh failed'}: {error}")
        return 1
    except RecordingError as error:
        errors.write_line(f"PROMETHEUS_ADDRESS: the recording {error}")
        return 1
    _write_topology(arguments, fetched, filters, open_stdout(environ))
    is_failure = not fetched.topology.clusters and bool(fetched.missing_data)
    return 1 if is_failure else 0


def _load_topology(arguments: argparse.Namespace, environ: Mapping[str, str]) -> FetchedTopology:
    if arguments.url is not None:
        return fetch_topology(arguments.url, environ.get("TOKEN", "").strip())
    settings = load_settings(environ, Settings)
    redactor = Redactor(find_secrets(settings, environ))
    logs.configure_logging("error", settings.LOG_FORMAT, redactor)
    return collect_topology(settings, redactor)


def _write_topology(
    arguments: argparse.Namespace, fetched: FetchedTopology, filters: TopologyFilters, output: CommandOutput
) -> None:
    if arguments.json:
        topology = filter_topology(fetched.topology, filters)
        is_whole = topology is fetched.topology
        output.write_json((fetched.document if is_whole else v1_format.render_v1_json(topology, 0.0)).decode())
        return
    hint = "aggregator doctor" + (f" --url {arguments.url}" if arguments.url is not None else "")
    view = TopologyView(fetched, filters, arguments.depth, hint)
    lines = list(view.render(output.style))
    if arguments.watch is not None:
        lines = cut_lines(lines, output.style.height)
        output.clear_screen()
    for line in lines:
        output.write_line(line)


def cut_lines(lines: Sequence[str | StyledLine], height: int | None) -> list[str | StyledLine]:
    """Return the lines that fit on a screen, with the number of the others before the last one, which has the age."""
    # The cursor is on the line after the last one.
    if height is None or len(lines) < height:
        return list(lines)
    kept = max(height - 3, 0)
    return [*lines[:kept], f"... {pluralize(len(lines) - kept - 1, 'more line')}", lines[-1]]


@dataclass(frozen=True)
class TopologyView:
    """What `show` prints: the matching part of a topology, what is missing, and how old it is.

    `explaining_command` is the command that explains why there is nothing to show.
    """

    fetched: FetchedTopology
    filters: TopologyFilters = TopologyFilters()
    depth: int = POD_DEPTH
    explaining_command: str = "aggregator doctor"

    def render(self, style: TerminalStyle) -> Iterator[str | StyledLine]:
        """Yield the lines: the tree, the missing data, and a summary."""
        topology = filter_topology(self.fetched.topology, self.filters)
        if not self.fetched.topology.clusters:
            yield "no clusters"
        elif not topology.clusters:
            yield self.filters.describe_no_match(self.fetched.topology)
        yield from render_tree(topology, style, self.depth)
        if self.fetched.missing_data:
            yield ""
            yield [StyledText("incomplete:", TextColor.YELLOW)]
            # Never truncated, however narrow the terminal is.
            yield from (f"  {text}" for text in self.fetched.missing_data)
        yield ""
        if not self.fetched.topology.clusters:
            yield f"to find out why, run: {self.explaining_command}"
        yield [StyledText(self._summarize(topology), TextColor.DIM)]

    def _summarize(self, topology: Topology) -> str:
        """Return the totals, the age and the origin of the topology."""
        whole = self.fetched.topology
        parts = [
            self._format_count(len(getattr(topology, name)), len(getattr(whole, name)), name)
            for name in ("clusters", "nodes", "pods")
        ]
        age = "" if self.fetched.age_seconds is None else f", {format_duration(self.fetched.age_seconds)} old"
        return f"{', '.join(parts)}{age}" + (f", from {self.fetched.origin}" if self.fetched.origin else "")

    def _format_count(self, shown: int, total: int, name: str) -> str:
        counted = pluralize(total, name.removesuffix("s"))
        return counted if self.filters.is_empty else f"{shown} of {counted}"
