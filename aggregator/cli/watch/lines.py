"""Changes as lines: `+`, `-` or `~`, the object, and the fields that differ with their values before and after."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from aggregator.cli.terminal import StyledLine, StyledText, TerminalStyle, TextColor, format_bytes
from aggregator.cli.watch.topology_copy import Change

MAX_VALUE_CHARACTERS = 60
NO_VALUE_TEXT = "–"

_MARKS = {"added": ("+", TextColor.GREEN), "removed": ("-", TextColor.RED), "changed": ("~", TextColor.YELLOW)}
# What is shown of an object that was added.
_STATE_FIELDS = ("phase", "reason", "node", "architecture", "type")
# What identifies the objects in a list; other lists are one value.
_KEY_FIELDS = ("name", "key", "instance")


class Difference(NamedTuple):
    """A value that differs, with the path to it; None where there is no value."""

    path: str
    before: Any
    after: Any


def name_change_type(change: Change) -> str:
    """Return what happened to an object: added, removed or changed."""
    if change.after is None:
        return "removed"
    return "added" if change.before is None else "changed"


def render_change(
    change: Change, style: TerminalStyle, *, indent: StyledLine = (), has_cluster: bool = True
) -> StyledLine:
    """Return the line of a change."""
    mark, color = _MARKS[name_change_type(change)]
    name = f"{change.namespace}/{change.name}" if change.namespace else change.name
    place = f"{change.cluster}  " if has_cluster and change.cluster else ""
    texts = [*indent, StyledText(f"{mark} {change.kind.removesuffix('s'):7} {place}"), StyledText(name, color)]
    return style.fit_line([*texts, *_describe_details(change)])


def _describe_details(change: Change) -> Iterator[StyledText]:
    if change.before is not None and change.after is not None:
        for difference in find_differences(change.before, change.after):
            yield StyledText(f"  {difference.path} ", TextColor.CYAN)
            before, after = (format_value(difference.path, each) for each in (difference.before, difference.after))
            yield StyledText(f"{before} → {after}")
    elif change.after is not None:
        state = [str(change.after[name]) for name in _STATE_FIELDS if change.after.get(name)]
        yield StyledText("".join(f"  {each}" for each in state), TextColor.DIM)


def find_differences(before: Any, after: Any, path: str = "") -> Iterator[Difference]:
    """Yield the values that differ, in depth as far as objects have names."""
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for name in dict.fromkeys((*before, *after)):
            inner = f"{path}.{name}" if path else str(name)
            yield from find_differences(before.get(name), after.get(name), inner)
        return
    named = (_index_by_name(before), _index_by_name(after))
    if named[0] is not None and named[1] is not None:
        for name in dict.fromkeys((*named[0], *named[1])):
            yield from find_differences(named[0].get(name), named[1].get(name), f"{path}[{name}]")
        return
    if before != after:
        yield Difference(path, before, after)


def _index_by_name(value: Any) -> Mapping[str, Any] | None:
    """Return the objects of a list by their names, None for anything else. No list at all is an empty one."""
    if value is None:
        return {}
    if not isinstance(value, Sequence) or isinstance(value, str):
        return None
    for field in _KEY_FIELDS:
        if all(isinstance(each, Mapping) and field in each for each in value):
            return {str(each[field]): each for each in value}
    return None


def format_value(path: str, value: Any) -> str:
    """Return a value as text, bytes with a unit, and long values cut."""
    if value is None:
        return NO_VALUE_TEXT
    if path.endswith("Bytes"):
        try:
            return format_bytes(float(value))
        except (TypeError, ValueError):
            pass
    if isinstance(value, float):
        return f"{value:.6g}"
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    return text if len(text) <= MAX_VALUE_CHARACTERS else text[: MAX_VALUE_CHARACTERS - 1] + "…"


def count_changes(changes: Iterable[Change]) -> str:
    """Return how many objects were added, removed and changed, as text."""
    counts = dict.fromkeys(_MARKS, 0)
    for change in changes:
        counts[name_change_type(change)] += 1
    return ", ".join(f"{count} {name}" for name, count in counts.items() if count) or "no changes"
