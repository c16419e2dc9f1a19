"""Changes as lines."""

import pytest

from aggregator.cli.terminal import TerminalStyle
from aggregator.cli.watch.lines import Difference, find_differences, format_value, render_change
from aggregator.cli.watch.topology_copy import Change


def render(change: Change, style: TerminalStyle | None = None) -> str:
    """Return the text of a line."""
    return "".join(each.text for each in render_change(change, style or TerminalStyle()))


def test_lines_have_a_mark_and_the_object() -> None:
    """A line has + - or ~, the kind, the cluster, the name, and what is known of the object."""
    pod = {"name": "web", "phase": "Pending", "node": "n1"}
    place = ("pods", "p", "south", "shop", "web")
    assert render(Change(*place, None, pod)) == "+ pod     south  shop/web  Pending  n1"
    assert render(Change(*place, pod, None)) == "- pod     south  shop/web"
    assert (
        render(Change(*place, pod, pod | {"phase": "Running"})) == "~ pod     south  shop/web  phase Pending → Running"
    )
    assert render(Change("clusters", "c", "", "", "south", None, {"type": "ocm"})) == "+ cluster south  ocm"


def test_lines_fit_the_terminal() -> None:
    """A line is cut to the width of the terminal."""
    change = Change("nodes", "n", "south", "", "n1", {"labels": {"a": "x" * 40}}, {})
    assert render(change, TerminalStyle(30)) == "~ node    south  n1  labels {…"


@pytest.mark.parametrize(
    ("before", "after", "differences"),
    [
        ({"a": 1}, {"a": 1}, []),
        ({"a": 1}, {"b": 2}, [Difference("a", 1, None), Difference("b", None, 2)]),
        ({"l": {"x": "1", "y": "2"}}, {"l": {"x": "1"}}, [Difference("l.y", "2", None)]),
        (
            {"c": [{"name": "web", "n": 1}, {"name": "log", "n": 1}]},
            {"c": [{"name": "log", "n": 2}, {"name": "web", "n": 1}]},
            [Difference("c[log].n", 1, 2)],
        ),
        ({"c": [{"name": "web", "n": 1}]}, {}, [Difference("c[web]", {"name": "web", "n": 1}, None)]),
        ({"v": ["a"]}, {"v": ["a", "b"]}, [Difference("v", ["a"], ["a", "b"])]),
        ({"v": [{"ip": "1"}]}, {"v": [{"ip": "2"}]}, [Difference("v", [{"ip": "1"}], [{"ip": "2"}])]),
    ],
)
def test_differences_are_found_in_depth(before: object, after: object, differences: list[Difference]) -> None:
    """Members of objects, and of lists of named objects, are compared one by one; other lists are one value."""
    assert list(find_differences(before, after)) == differences


@pytest.mark.parametrize(
    ("path", "value", "text"),
    [
        ("phase", None, "–"),
        ("memoryBytes", "1073741824", "1.0 GiB"),
        ("memoryBytes", "many", "many"),
        ("cpuUsagePercent", 12.3456789, "12.3457"),
        ("isReady", True, "true"),
        ("volumes", ["a", "b"], '["a","b"]'),
        ("reason", "x" * 80, "x" * 59 + "…"),
    ],
)
def test_values_are_short(path: str, value: object, text: str) -> None:
    """Bytes have a unit, numbers few digits, and long values are cut."""
    assert format_value(path, value) == text
