"""The command `aggregator diff`: what changed in the topology of a running gateway between two times, as a tree."""

import argparse
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

import msgspec

from aggregator.cli.commands import CommandParser
from aggregator.cli.gateway import FetchError, add_url_argument, fetch_document
from aggregator.cli.terminal import StyledLine, StyledText, TerminalStyle, TextColor, open_stderr, open_stdout
from aggregator.cli.watch.lines import count_changes, name_change_type, render_change
from aggregator.cli.watch.selection import add_selection_arguments, get_selection
from aggregator.cli.watch.topology_copy import Change

DIFF_PATH = "/api/v1/diff"
_INVALID_MESSAGE = "the response is not a document with differences; is it a gateway?"


def configure_diff_parser(parser: CommandParser) -> None:
    """Add description and arguments of the command to its parser."""
    parser.description = (
        "Prints what changed in the topology of a running gateway between two times, as a tree: + added, - removed, ~ "
        "changed, with the values before and after. Times are RFC 3339 (2026-11-30T14:00:00Z), Unix seconds, or "
        "relative: -1h, -90m, -2d. Prometheus must still have the data. The environment variable TOKEN contains the "
        "token, if the gateway requires one. Exit code: 0 printed, 1 no differences available, 2 invalid arguments."
    )
    parser.has_relative_times = True
    parser.add_argument("from_time", metavar="FROM", type=str.strip, help="the first time")
    parser.add_argument(
        "to_time", metavar="TO", type=str.strip, nargs="?", default="", help="the second time (default: now)"
    )
    add_url_argument(parser)
    add_selection_arguments(parser)
    parser.add_argument("--all", action="store_true", help="measurements, too, such as usage and the times of samples")
    parser.add_argument("--json", action="store_true", help="print the JSON document instead of a tree")
    parser.set_defaults(run=run_diff)


def run_diff(arguments: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """Print the differences; return 1 if the gateway returns an error."""
    parameters = {
        "from": arguments.from_time,
        "to": arguments.to_time,
        **get_selection(arguments),
        "changes": "all" if arguments.all else "structure",
    }
    query = urlencode({name: value for name, value in parameters.items() if value})
    output = open_stdout(environ)
    try:
        body = fetch_document(arguments.url, f"{DIFF_PATH}?{query}", environ.get("TOKEN", "").strip()).body
        document = _decode_document(body)
        lines = list(render_differences(document, output.style))
    except FetchError as error:
        open_stderr().write_line(f"{arguments.url}: {error}")
        return 1
    if arguments.json:
        output.write_json(body.decode())
        return 0
    for line in lines:
        output.write_line(line)
    return 0


def _decode_document(body: bytes) -> Mapping[str, Any]:
    try:
        return msgspec.json.decode(body, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise FetchError(_INVALID_MESSAGE) from None


def render_differences(document: Mapping[str, Any], style: TerminalStyle) -> Iterator[StyledLine]:
    """Yield the lines: a tree of the clusters and their changed nodes and pods, and the totals."""
    try:
        changes = [_convert_change(each) for each in document.get("changes", ())]
        yield from _render_tree(changes, style)
        instants = " to ".join(_describe_instant(document[name]) for name in ("from", "to"))
    except (LookupError, TypeError, AttributeError, ValueError):
        raise FetchError(_INVALID_MESSAGE) from None
    yield [StyledText(f"{count_changes(changes)} from {instants}", TextColor.DIM)]


def _convert_change(change: Mapping[str, Any]) -> Change:
    """Return a change with what is known of the object: the changed fields, or for an added one all fields."""
    before: Mapping[str, Any] | None = change.get("before", {})
    after: Mapping[str, Any] | None = change.get("set", {})
    if change["type"] == "ADDED":
        before, after = None, change.get("object", {})
    elif change["type"] == "REMOVED":
        before, after = change.get("object", {}), None
    cluster = change.get("cluster") or (change.get("name", "") if change["kind"] == "clusters" else "")
    return Change(
        change["kind"], change["id"], cluster, change.get("namespace", ""), change.get("name", ""), before, after
    )


def _render_tree(changes: Sequence[Change], style: TerminalStyle) -> Iterator[StyledLine]:
    for cluster in sorted({change.cluster for change in changes}):
        members = [change for change in changes if change.cluster == cluster]
        own = [change for change in members if change.kind == "clusters"]
        members = sorted((each for each in members if each.kind != "clusters"), key=_sort_key)
        if own:
            yield render_change(own[0], style, has_cluster=False)
        else:
            yield [StyledText(cluster, TextColor.BOLD)]
        for number, change in enumerate(members, 1):
            branch = StyledText("└─ " if number == len(members) else "├─ ", TextColor.DIM)
            yield render_change(change, style, indent=[branch], has_cluster=False)


def _sort_key(change: Change) -> tuple[str, str, str, str]:
    return (change.kind, change.namespace, change.name, name_change_type(change))


def _describe_instant(instant: Mapping[str, Any]) -> str:
    return f"{instant['time']}" + ("" if instant.get("complete", True) else " (incomplete)")
