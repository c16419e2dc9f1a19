"""The tree of a topology: contents, width and colors."""

import io
import re
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.cli.show.command import TopologyFilters, TopologyView, cut_lines
from aggregator.cli.show.fetch import FetchedTopology
from aggregator.cli.show.tree import render_bar, render_tree
from aggregator.cli.terminal import CommandOutput, StyledLine, StyledText, TerminalStyle, TextColor, display_width
from aggregator.models.topology import Cluster, Container, Device, Node, Pod, Taint, Topology
from tests.support import parity_cases

GIB = 2**30
WEB_POD = Pod(
    cluster="athens",
    key="web",
    name="web",
    namespace="shop",
    node="worker",
    phase="Running",
    containers={"app": Container("app", 0.25, 64 * 2**20, "registry/app:1")},
)
PENDING_POD = Pod(cluster="athens", key="stuck", name="stuck", namespace="shop", phase="Pending")
WORKER_NODE = Node(
    cluster="athens",
    key="worker",
    architecture="x86_64",
    cpu_cores=8,
    cpu_usage_percent=50,
    memory_bytes=64 * GIB,
    free_memory_bytes=16 * GIB,
    temperature_celsius=71,
    vulnerabilities={"Low": 5, "Critical": 1},
    devices={"camera": Device("camera", 1), "disk": Device("disk", -1)},
)
REQUESTS: dict[str, float] = {
    "requested_cpu_cores": 1.25,
    "allocatable_cpu_cores": 4,
    "requested_memory_bytes": GIB,
    "allocatable_memory_bytes": 2 * GIB,
}
SMALL_TOPOLOGY = Topology(
    clusters={"athens": Cluster(key="athens", uid="u", type="ocm")},
    nodes={("athens", "bare"): Node(cluster="athens", key="bare"), ("athens", "worker"): WORKER_NODE},
    pods={("athens", "stuck"): PENDING_POD, ("athens", "web"): WEB_POD},
)
EXPECTED_TREE = """\
athens  ocm  2 nodes, 2 pods
├─ bare
├─ worker        cpu █████░░░░░  50 % of 8  mem ████████░░ 16.0 GiB of 64.0 GiB free  71 °C  \
vuln 1 critical 5 low  1 of 2 devices  x86_64
│  └─ shop/web  Running  1 container
│     └─ app  cpu 0.250  mem 64.0 MiB  registry/app:1
└─ (on no node)
   └─ shop/stuck  Pending  0 containers"""


def write_lines(lines: Iterable[str | StyledLine], style: TerminalStyle) -> list[str]:
    """Return lines as a terminal of this style gets them."""
    stream = io.StringIO()
    output = CommandOutput(stream, style)
    for line in lines:
        output.write_line(line)
    return stream.getvalue().removesuffix("\n").split("\n")


def write_tree(topology: Topology, style: TerminalStyle, depth: int) -> list[str]:
    """Return the lines of a tree."""
    return write_lines(render_tree(topology, style, depth), style)


def test_a_topology_is_a_tree() -> None:
    """Below clusters are nodes, below nodes pods, below pods containers; pods without a node come last."""
    assert "\n".join(write_tree(SMALL_TOPOLOGY, TerminalStyle(), depth=4)) == EXPECTED_TREE


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        (
            {"available_memory_bytes": 48 * GIB, "memory_bytes": 64 * GIB},
            "mem ██░░░░░░░░ 48.0 GiB of 64.0 GiB available",
        ),
        ({"free_memory_bytes": 16 * GIB, "host_memory_bytes": 64 * GIB}, "mem ████████░░ 16.0 GiB of 64.0 GiB free"),
        ({"available_memory_bytes": 48 * GIB, "free_memory_bytes": 16 * GIB}, "mem 48.0 GiB available"),
        ({"free_memory_bytes": 16 * GIB}, "mem 16.0 GiB free"),
        ({"memory_bytes": 64 * GIB}, "mem 64.0 GiB"),
    ],
)
def test_available_memory_is_preferred_to_free_memory(sizes: dict[str, Any], expected: str) -> None:
    """A node shows its available memory; free memory only if the available memory is unknown."""
    node = Node(cluster="athens", key="worker", **sizes)
    topology = Topology(clusters=SMALL_TOPOLOGY.clusters, nodes={("athens", "worker"): node})
    assert write_tree(topology, TerminalStyle(), depth=2)[1] == f"└─ worker  {expected}"


@pytest.mark.parametrize(("depth", "lines"), [(1, 1), (2, 3), (3, 6), (4, 7)])
def test_the_depth_limits_the_tree(depth: int, lines: int) -> None:
    """Depth 1 has clusters, 2 also nodes, 3 also pods, 4 also containers."""
    assert len(list(write_tree(SMALL_TOPOLOGY, TerminalStyle(), depth))) == lines


def write_view(view: TopologyView, style: TerminalStyle | None = None) -> list[str]:
    """Return all lines that `show` prints."""
    return write_lines(view.render(style or TerminalStyle()), style or TerminalStyle())


def test_missing_data_is_listed_at_the_end() -> None:
    """Gaps are listed below the tree; the last line has totals, age and origin; without gaps there is no list."""
    fetched = FetchedTopology(SMALL_TOPOLOGY, b"", ("query failed: x (memory_free)",), "http://h:1", 90.0)
    lines = write_view(TopologyView(fetched, depth=1))
    summary = "1 cluster, 2 nodes, 2 pods, 1 min old, from http://h:1"
    assert lines[1:] == ["", "incomplete:", "  query failed: x (memory_free)", "", summary]
    complete = write_view(TopologyView(FetchedTopology(SMALL_TOPOLOGY, b""), depth=1))
    assert complete[1:] == ["", "1 cluster, 2 nodes, 2 pods"]


def test_an_empty_topology_has_a_command_that_explains_it() -> None:
    """An empty topology names the doctor, with the URL of the gateway if there is one."""
    view = TopologyView(FetchedTopology(Topology(), b""), explaining_command="aggregator doctor --url http://h:1")
    assert write_view(view) == [
        "no clusters",
        "",
        "to find out why, run: aggregator doctor --url http://h:1",
        "0 clusters, 0 nodes, 0 pods",
    ]


@pytest.mark.parametrize(
    ("filters", "line"),
    [
        (TopologyFilters(nodes="name=foo"), "no node matches name=foo, of 2 nodes"),
        (TopologyFilters(nodes="name=foo", labels="zone=a"), "no node matches name=foo and zone=a, of 2 nodes"),
        (TopologyFilters(pods="name=foo"), "no pod matches name=foo, of 2 pods"),
        (
            TopologyFilters(nodes="name=bare", pods="name=web"),
            "no pod on a node that matches name=bare matches name=web, of 2 pods",
        ),
    ],
)
def test_a_filter_without_a_match_is_named(filters: TopologyFilters, line: str) -> None:
    """If nothing matches, the filter and the number of objects are printed."""
    lines = write_view(TopologyView(FetchedTopology(SMALL_TOPOLOGY, b""), filters))
    assert lines == [line, "", "0 of 1 cluster, 0 of 2 nodes, 0 of 2 pods"]


def test_a_watched_tree_fits_the_screen() -> None:
    """Of a tree that is too long, the first lines remain, the number of the others, and the last line."""
    assert cut_lines(["a", "b", "c", "d", "e"], 5) == ["a", "b", "... 2 more lines", "e"]
    assert cut_lines(["a", "b", "c", "d", "e"], 6) == ["a", "b", "c", "d", "e"]
    assert cut_lines(["a", "b"], None) == ["a", "b"]


@pytest.mark.parametrize("width", [20, 40, 60, 80, 200])
@pytest.mark.parametrize("case", [*parity_cases.CASE_NAMES, "small"])
def test_lines_fit_the_terminal(case: str, width: int) -> None:
    """No line is wider than the terminal: less important labels are left out, names are truncated."""
    topology = SMALL_TOPOLOGY if case == "small" else parity_cases.build_case_topology(case)
    for line in write_tree(topology, TerminalStyle(width), depth=4):
        assert display_width(line) <= width


@pytest.mark.parametrize(
    ("width", "line", "hint"),
    [
        (
            85,
            "└─ worker  cpu █████░░░░░  50 % of 8  mem ████████░░ 16.0 GiB of 64.0 GiB free  71 °C",
            "too narrow for: vulnerabilities, devices, architecture",
        ),
        (
            72,
            "└─ worker  cpu  50 % of 8  mem 16.0 GiB of 64.0 GiB free  71 °C",
            "too narrow for: vulnerabilities, devices, architecture",
        ),
        (
            60,
            "└─ worker  cpu  50 % of 8  mem 16.0 GiB of 64.0 GiB free",
            "too narrow for: temperature, vulnerabilities, devices, architecture",
        ),
        (
            40,
            "└─ worker  cpu █████░░░░░  50 % of 8",
            "too narrow for: memory, temperature, vulnerabilities, devices, architecture",
        ),
        (
            30,
            "└─ worker  cpu  50 % of 8",
            "too narrow for: memory, temperature, vulnerabilities, devices, architecture",
        ),
    ],
)
def test_bars_go_first_in_a_narrow_terminal(width: int, line: str, hint: str) -> None:
    """Details are left out if they fit neither with nor without bars; a line names them."""
    lines = write_tree(SMALL_TOPOLOGY, TerminalStyle(width), 2)
    assert line in lines
    assert " ".join(lines[lines.index("") + 1 :]) == hint


def test_a_long_name_breaks_no_column() -> None:
    """Details begin in the same column; on a terminal, a long name is truncated."""
    long_name = "image-classifier-of-the-second-production-line-629p5pbbb"
    pods = {
        ("athens", name): Pod(cluster="athens", key=name, name=name, node="bare", phase="Running")
        for name in ("a", long_name)
    }
    topology = Topology(clusters=SMALL_TOPOLOGY.clusters, nodes=SMALL_TOPOLOGY.nodes, pods=pods)
    for width, columns in ((None, {len(long_name) + 8}), (80, {48}), (40, {29})):
        lines = write_tree(topology, TerminalStyle(width), 3)
        assert {line.index("Running") for line in lines if "Running" in line} == columns


def test_a_container_of_a_docker_host_has_no_phase() -> None:
    """A pod without a phase is shown without one."""
    pod = Pod(cluster="athens", key="db", name="db", node="bare", containers={"db": Container("db")})
    topology = Topology(clusters=SMALL_TOPOLOGY.clusters, nodes=SMALL_TOPOLOGY.nodes, pods={("athens", "db"): pod})
    assert "│  └─ db  1 container" in write_tree(topology, TerminalStyle(), 3)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"conditions": {"Ready": "true", "DiskPressure": "false"}}, ""),
        ({"conditions": {"Ready": "false", "MemoryPressure": "true"}}, "not ready, MemoryPressure"),
        ({"conditions": {"Ready": "unknown", "DiskPressure": "unknown"}}, "Ready unknown"),
        ({"conditions": {"PIDPressure": "true", "DiskPressure": "unknown"}}, "PIDPressure, DiskPressure unknown"),
        ({"is_unschedulable": True, "taints": {"a": Taint("a"), "b": Taint("b")}}, "cordoned  2 taints"),
        ({"is_unschedulable": False}, ""),
        ({"is_reporting": False}, "does not report"),
        ({"is_reporting": True}, ""),
        ({"alerts": {"NodeClockSkew": "warning"}}, "alert NodeClockSkew"),
        ({"alerts": {"NodeClockSkew": "warning", "NodeDown": "critical"}}, "2 alerts"),
    ],
)
def test_a_node_shows_its_problems(fields: dict[str, Any], expected: str) -> None:
    """A node shows the conditions that are problems, whether it is cordoned, its alerts, and the number of taints."""
    node = Node(cluster="athens", key="worker", **fields)
    topology = Topology(clusters=SMALL_TOPOLOGY.clusters, nodes={("athens", "worker"): node})
    assert write_tree(topology, TerminalStyle(), depth=2)[1] == f"└─ worker  {expected}".rstrip()


@pytest.mark.parametrize(
    ("fields", "width", "expected"),
    [
        (
            REQUESTS,
            None,
            "requests cpu 1.2 of 4, mem 1.0 GiB of 2.0 GiB",
        ),
        (
            REQUESTS,
            45,
            "requests cpu 31 %, mem 50 %",
        ),
        ({"requested_cpu_cores": 1.25, "allocatable_cpu_cores": 4}, None, "requests cpu 1.2 of 4"),
        ({"requested_cpu_cores": 1.25}, None, ""),
    ],
)
def test_a_node_shows_what_its_pods_request(fields: dict[str, Any], width: int | None, expected: str) -> None:
    """Requests are shown with what pods can use: as amounts, or as percentages if there is little room."""
    node = Node(cluster="athens", key="worker", **fields)
    topology = Topology(clusters=SMALL_TOPOLOGY.clusters, nodes={("athens", "worker"): node})
    assert write_tree(topology, TerminalStyle(width), depth=2)[1] == f"└─ worker  {expected}".rstrip()


@pytest.mark.parametrize(
    ("pod_fields", "containers", "expected"),
    [
        ({"phase": "Running", "is_ready": True}, [Container("a", restart_count=0)], "Running  1 container"),
        (
            {"phase": "Running", "is_ready": False},
            [
                Container("a", reason="CrashLoopBackOff", restart_count=6, last_termination_reason="OOMKilled"),
                Container("b", reason="CrashLoopBackOff", restart_count=1, last_termination_reason="Completed"),
            ],
            "Running  CrashLoopBackOff  7 restarts, last OOMKilled  2 containers",
        ),
        ({"phase": "Running", "is_ready": False}, [Container("a")], "Running  not ready  1 container"),
        ({"phase": "Pending"}, [Container("a", reason="ContainerCreating")], "Pending  ContainerCreating  1 container"),
        ({"phase": "Succeeded", "is_ready": False}, [Container("a", reason="Completed")], "Succeeded  1 container"),
        ({"phase": "Failed", "reason": "Evicted"}, [], "Failed  Evicted  0 containers"),
        ({"phase": "Succeeded"}, [Container("a", reason="exited", exit_code=0)], "Succeeded  1 container"),
        (
            {"phase": "Failed"},
            [Container("a", reason="exited", exit_code=137)],
            "Failed  exit code 137  1 container",
        ),
        ({"phase": "Running"}, [Container("a", health="unhealthy")], "Running  unhealthy  1 container"),
        ({"phase": "Running"}, [Container("a", health="healthy")], "Running  1 container"),
        ({"phase": "Running", "alerts": {"a": "critical", "b": "warning"}}, [], "Running  2 alerts  0 containers"),
        ({"phase": "Running", "alerts": {"a": "critical", "b": "info"}}, [], "Running  alert a  0 containers"),
    ],
)
def test_a_pod_shows_why_it_does_not_run(
    pod_fields: dict[str, Any], containers: list[Container], expected: str
) -> None:
    """A pod shows its reason and those of its containers, how often they restarted and why, and its alerts."""
    containers_by_name = {container.name: container for container in containers}
    pod = Pod(cluster="athens", key="web", name="web", node="bare", containers=containers_by_name, **pod_fields)
    topology = Topology(clusters=SMALL_TOPOLOGY.clusters, nodes=SMALL_TOPOLOGY.nodes, pods={("athens", "web"): pod})
    assert f"│  └─ web  {expected}" in write_tree(topology, TerminalStyle(), 3)


def test_a_container_shows_why_it_does_not_run() -> None:
    """A container shows its reason, its restarts and why it was terminated before the last one."""
    container = Container("app", reason="CrashLoopBackOff", restart_count=1, last_termination_reason="OOMKilled")
    pod = Pod(cluster="athens", key="web", name="web", node="bare", containers={"app": container})
    topology = Topology(clusters=SMALL_TOPOLOGY.clusters, nodes=SMALL_TOPOLOGY.nodes, pods={("athens", "web"): pod})
    lines = write_tree(topology, TerminalStyle(), 4)
    assert "│     └─ app  CrashLoopBackOff  1 restart, last OOMKilled" in lines


def test_a_node_that_was_not_seen_lately_is_marked() -> None:
    """A node whose last sample is minutes older than that of the newest node has the difference."""
    nodes = {
        ("athens", name): Node(cluster="athens", key=name, last_seen_seconds=at_seconds)
        for name, at_seconds in (("new", 1000.0), ("old", 760.0), ("slow", 900.0))
    }
    lines = write_tree(Topology(clusters=SMALL_TOPOLOGY.clusters, nodes=nodes), TerminalStyle(), 2)
    assert lines[1:] == ["├─ new", "├─ old   seen 4 min ago", "└─ slow"]


@given(st.text())
def test_names_from_telemetry_are_escaped(name: str) -> None:
    """Names from telemetry are escaped in every label."""
    topology = Topology(
        clusters={name: Cluster(key=name, uid="u")},
        nodes={
            (name, name): Node(
                cluster=name, key=name, architecture=name, conditions={name: "true"}, alerts={name: name}
            )
        },
        pods={(name, name): Pod(cluster=name, key=name, name=name, node=name, phase=name, reason=name, ip=name)},
    )
    for line in write_tree(topology, TerminalStyle(80), 4):
        assert line.isprintable()


def test_colors_change_no_text() -> None:
    """Without its color codes, a colored tree equals the plain one."""
    colored = "\n".join(write_tree(SMALL_TOPOLOGY, TerminalStyle(has_colors=True), 4))
    assert "\x1b[32mRunning\x1b[0m" in colored
    assert re.sub(r"\x1b\[[0-9]*m", "", colored) == EXPECTED_TREE


@pytest.mark.parametrize(
    ("ratio", "used_columns", "color"),
    [(-1, 0, TextColor.GREEN), (0.5, 5, TextColor.GREEN), (0.8, 8, TextColor.YELLOW), (7, 10, TextColor.RED)],
)
def test_a_bar_has_ten_columns(ratio: float, used_columns: int, color: TextColor) -> None:
    """The color depends on the ratio; a ratio out of range is empty or full."""
    assert render_bar(ratio) == [
        StyledText("█" * used_columns, color),
        StyledText("░" * (10 - used_columns), TextColor.DIM),
    ]
