"""The tree: what is drawn of a topology, in which width and colours."""

import io
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.models.topology import Cluster, Container, Device, Node, Pod, Topology
from aggregator.show.command import paper_of, shown
from aggregator.show.paper import Colour, Paper, Word, cut, width_of
from aggregator.show.reading import Read
from aggregator.show.tree import drawn
from aggregator.show.words import bar, bytes_text
from tests import cases

GIB = 2**30
WEB = Pod(
    cluster="athens",
    key="web",
    name="web",
    namespace="shop",
    node="worker",
    phase="Running",
    containers={"app": Container("app", 0.25, 64 * 2**20, "registry/app:1")},
)
STUCK = Pod(cluster="athens", key="stuck", name="stuck", namespace="shop", phase="Pending")
WORKER = Node(
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
SMALL = Topology(
    clusters={"athens": Cluster(key="athens", uid="u", type="ocm")},
    nodes={("athens", "bare"): Node(cluster="athens", key="bare"), ("athens", "worker"): WORKER},
    pods={("athens", "stuck"): STUCK, ("athens", "web"): WEB},
)
DRAWN = """\
athens  ocm  2 nodes, 2 pods
├─ bare
├─ worker        cpu █████░░░░░  50 % of 8  mem ████████░░ 16.0 GiB of 64.0 GiB free  71 °C  \
vuln 1 critical 5 low  1 of 2 devices  x86_64
│  └─ shop/web  Running  1 container
│     └─ app  cpu 0.250  64.0 MiB  registry/app:1
└─ (on no node)
   └─ shop/stuck  Pending  0 containers"""


def test_a_topology_is_drawn_as_a_tree() -> None:
    """Clusters have their nodes, nodes their pods, pods their containers; pods on no node come last."""
    assert "\n".join(drawn(SMALL, Paper(), depth=4)) == DRAWN


@pytest.mark.parametrize(("depth", "lines"), [(1, 1), (2, 3), (3, 6), (4, 7)])
def test_the_depth_ends_the_tree(depth: int, lines: int) -> None:
    """Depth 1 draws clusters, 2 nodes, too, 3 pods, 4 containers."""
    assert len(list(drawn(SMALL, Paper(), depth))) == lines


def test_what_is_missing_stands_at_the_end() -> None:
    """Gaps are told below the tree; where there are none, nothing is said."""
    lines = list(shown(Read(SMALL, b"", ("memory_free: query failed: x",)), Paper(), 1))
    assert lines[1:] == ["", "incomplete:", "  memory_free: query failed: x"]
    assert len(list(shown(Read(SMALL, b"", ()), Paper(), 1))) == 1


def test_an_empty_topology_is_said_to_be_empty() -> None:
    """Where there is nothing to draw, that is a line."""
    assert list(shown(Read(Topology(), b"", ()), Paper(), 4)) == ["no clusters"]


@pytest.mark.parametrize("width", [20, 40, 60, 80, 200])
@pytest.mark.parametrize("case", [*cases.NAMES, "small"])
def test_lines_fit_the_terminal(case: str, width: int) -> None:
    """No line is wider than the terminal: what is less important is left out, names are cut."""
    topology = SMALL if case == "small" else cases.topology(case)
    for line in drawn(topology, Paper(width), depth=4):
        assert width_of(line) <= width


def test_the_important_comes_first_where_there_is_little_room() -> None:
    """In sixty places a node still shows its processors, and nothing is shown in half."""
    line = next(line for line in drawn(SMALL, Paper(60), 2) if "worker" in line)
    assert line == "└─ worker  cpu █████░░░░░  50 % of 8"


@given(st.text(), st.integers(1, 30))
def test_a_text_that_is_cut_is_never_too_wide(text: str, width: int) -> None:
    """Wide letters and letters without a width of their own are counted as terminals show them."""
    assert width_of(cut(text, width)) <= width


@given(st.text())
def test_nothing_from_telemetry_steers_the_terminal(name: str) -> None:
    """A name with escape sequences, line ends or other control characters is drawn without them."""
    topology = Topology(
        clusters={name: Cluster(key=name, uid="u")},
        nodes={(name, name): Node(cluster=name, key=name, architecture=name, vulnerabilities={name: 1})},
        pods={(name, name): Pod(cluster=name, key=name, name=name, node=name, phase=name, ip=name)},
    )
    for line in drawn(topology, Paper(80), 4):
        assert line.isprintable()


def test_colours_surround_words_and_change_no_letter() -> None:
    """Without its colours a coloured tree is the plain one."""
    coloured = "\n".join(drawn(SMALL, Paper(has_colours=True), 4))
    assert "\x1b[32mRunning\x1b[0m" in coloured
    assert re.sub(r"\x1b\[[0-9]*m", "", coloured) == DRAWN


class Screen(io.StringIO):
    """What is written to a terminal."""

    def isatty(self) -> bool:
        """Be a terminal."""
        return True


@pytest.mark.parametrize(
    ("environ", "has_colours"),
    [({}, True), ({"NO_COLOR": ""}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)],
)
def test_colours_are_for_terminals_that_want_them(environ: dict[str, str], *, has_colours: bool) -> None:
    """NO_COLOR and a dumb terminal turn colours off; a terminal's width is known all the same."""
    paper = paper_of(Screen(), environ)
    assert paper.has_colours is has_colours
    assert paper.width is not None


def test_a_file_gets_everything_and_no_colours() -> None:
    """What is not a terminal has no width to fit."""
    assert paper_of(io.StringIO(), {}) == Paper(None, has_colours=False)


@pytest.mark.parametrize(
    ("share", "full", "colour"),
    [(-1, 0, Colour.GREEN), (0.5, 5, Colour.GREEN), (0.8, 8, Colour.YELLOW), (7, 10, Colour.RED)],
)
def test_a_bar_has_ten_places(share: float, full: int, colour: Colour) -> None:
    """The fuller, the redder; a share out of range is none or all."""
    assert bar(share) == [Word("█" * full, colour), Word("░" * (10 - full), Colour.FAINT)]


@pytest.mark.parametrize(
    ("size", "text"), [(0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (150 * 2**20, "150 MiB"), (2**60, "1024 PiB")]
)
def test_bytes_are_written_for_people(size: int, text: str) -> None:
    """Three figures and a unit of 1024 to its power."""
    assert bytes_text(size) == text
