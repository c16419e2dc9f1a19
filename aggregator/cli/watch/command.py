"""The command `aggregator watch`: prints what changes in the topology of a running gateway, until Ctrl-C."""

import argparse
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgspec

from aggregator.cli.gateway import FetchError, add_url_argument
from aggregator.cli.terminal import CommandOutput, StyledText, TextColor, open_stderr, open_stdout, pluralize
from aggregator.cli.watch.lines import render_change
from aggregator.cli.watch.selection import add_selection_arguments, get_selection
from aggregator.cli.watch.stream import DISCONNECT_EVENT, ReceivedEvent, WatchStream
from aggregator.cli.watch.topology_copy import TopologyCopy


def configure_watch_parser(parser: argparse.ArgumentParser) -> None:
    """Add description and arguments of the command to its parser."""
    parser.description = (
        "Prints what changes in the topology of a running gateway, a line for each object: + added, - removed, ~ "
        "changed, with the values before and after. A lost connection is replaced. The "
        "environment variable TOKEN contains the token, if the gateway requires one. Output to a terminal is colored "
        "unless NO_COLOR is set. Exit code: 1 if the gateway cannot be watched, 2 invalid arguments, 130 after Ctrl-C."
    )
    add_url_argument(parser)
    add_selection_arguments(parser)
    parser.add_argument(
        "--structure", action="store_true", help="no measurements, such as usage and the times of samples"
    )
    parser.add_argument(
        "--min-interval", metavar="DURATION", default="", help="print changes at most this often: 5s (default: at once)"
    )
    parser.add_argument("--json", action="store_true", help="print each event as a line of JSON, the snapshot included")
    parser.set_defaults(run=run_watch)


def run_watch(
    arguments: argparse.Namespace, environ: Mapping[str, str], sleep: Callable[[float], None] = time.sleep
) -> int:
    """Print events until Ctrl-C; return 1 if the gateway returns an error."""
    output, errors = open_stdout(environ), open_stderr()
    parameters = {
        **get_selection(arguments),
        "changes": "structure" if arguments.structure else "",
        "min_interval": arguments.min_interval,
    }
    try:
        stream = WatchStream(arguments.url, environ.get("TOKEN", "").strip(), parameters, environ, sleep)
        write = write_json_event if arguments.json else ChangeWriter().write
        for event in stream.iterate_events():
            write(event, output)
            output.flush()
    except FetchError as error:
        errors.write_line(f"{arguments.url}: {error}")
    return 1


def write_json_event(event: ReceivedEvent, output: CommandOutput) -> None:
    """Write an event as one line of JSON, with its name as the member `event`."""
    output.write_json(msgspec.json.encode({"event": event.name, **event.data}).decode())


class ChangeWriter:
    """Writes a line for each change. It keeps the objects, because a change does not contain the values before it."""

    def __init__(self) -> None:
        self._copy = TopologyCopy()

    def write(self, event: ReceivedEvent, output: CommandOutput) -> None:
        """Write the lines of an event."""
        changes = self._copy.apply(event)
        time_text = str(event.data.get("time", ""))[:19]
        prefix = [StyledText(f"{time_text}Z " if time_text else "", TextColor.DIM)]
        if changes is None:
            counts = ", ".join(pluralize(count, name) for count, name in self._copy.iterate_counts() if count)
            output.write_line([*prefix, StyledText(f"= {counts or 'nothing yet'}")])
            return
        for change in changes:
            output.write_line(render_change(change, output.style, indent=prefix))
        for text in _describe_state(event.name, event.data):
            output.write_line([StyledText(text, TextColor.YELLOW)])


def _describe_state(name: str, data: Mapping[str, Any]) -> Iterator[str]:
    if name == "completeness" and data.get("complete") is False:
        gaps = data.get("gaps", ())
        yield "! incomplete" + (f": {gaps[0]}" if gaps else "")
        yield from (f"!             {gap}" for gap in gaps[1:])
    if name in {"restart", "end", DISCONNECT_EVENT}:
        yield f"! {name}: {data.get('reason', '')}"
