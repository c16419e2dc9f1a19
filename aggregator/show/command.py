"""The command `aggregator show`: its arguments, what it reads, what it writes."""

import argparse
import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TextIO

from aggregator import logs, settings
from aggregator.errors import BadRequestError, RecordingError, RefreshFailedError, SettingsError
from aggregator.models.topology import Topology
from aggregator.secrets import Secrets
from aggregator.settings import urls
from aggregator.settings.secrets import secrets_of
from aggregator.show.choice import Filters, chosen
from aggregator.show.paper import Colour, Paper, Word, printable
from aggregator.show.reading import NotReadError, Read, asked, refreshed
from aggregator.show.tree import CLUSTERS, CONTAINERS, PODS, drawn
from aggregator.views import v1


def add_to(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command to those of the command line."""
    made = commands.add_parser(
        "show",
        help="draw the topology as a tree",
        description="Draws the topology as a tree: clusters, nodes, pods, containers, and at the end what is missing. "
        "It asks a gateway that runs (--url; a token is read from the environment variable TOKEN) or else takes one "
        "refresh of its own, with the settings of the environment. Colours are for terminals; NO_COLOR turns them off.",
    )
    made.add_argument("--url", metavar="URL", type=_url, help="a gateway that runs, such as http://localhost:8080")
    made.add_argument(
        "--depth",
        type=int,
        choices=range(CLUSTERS, CONTAINERS + 1),
        default=PODS,
        help="1: clusters, 2: their nodes, 3: their pods, 4: their containers; default: 3",
    )
    made.add_argument("--nodes", metavar="FILTER", default="", help="only nodes like 'free_memory_bytes>=4Gi'")
    made.add_argument("--labels", metavar="SELECTOR", default="", help="only nodes with labels like 'zone in (a,b)'")
    made.add_argument("--pods", metavar="FILTER", default="", help="only pods like 'phase=Running', and their nodes")
    made.add_argument("--json", action="store_true", help="write the v1 JSON instead")
    made.set_defaults(run=run)


def _url(text: str) -> str:
    try:
        parts = urls.split(text)
        urls.check_port(parts)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise argparse.ArgumentTypeError("has more than host, port and path")
    return text


def run(arguments: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """Show; return 0 when something is shown, 1 where there is nothing to be had, 2 on bad settings."""
    try:
        filters = Filters(arguments.nodes, arguments.labels, arguments.pods)
        # What is not understood is told before anybody is asked for anything.
        chosen(Topology(), filters)
        read = _chosen(_read(arguments, environ), filters)
    except (SettingsError, BadRequestError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    except (NotReadError, RefreshFailedError) as error:
        sys.stderr.write(f"{arguments.url or 'no topology'}: {error}\n")
        return 1
    except RecordingError as error:
        sys.stderr.write(f"PROMETHEUS_ADDRESS: the recording {error}\n")
        return 1
    try:
        _write(arguments, read, environ)
    except BrokenPipeError:
        # Whoever reads along has seen enough. What is left would be written once more at the end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def _read(arguments: argparse.Namespace, environ: Mapping[str, str]) -> Read:
    if arguments.url is not None:
        return asked(arguments.url, environ.get("TOKEN", "").strip())
    chosen = settings.read(environ)
    secrets = Secrets(secrets_of(chosen, environ))
    logs.configure("error", chosen.LOG_FORMAT, secrets)
    return refreshed(chosen, secrets)


def _chosen(read: Read, filters: Filters) -> Read:
    topology = chosen(read.topology, filters)
    if topology is read.topology:
        return read
    return replace(read, topology=topology, document=v1.render_json(topology, 0.0))


def _write(arguments: argparse.Namespace, read: Read, environ: Mapping[str, str]) -> None:
    if arguments.json:
        sys.stdout.write(read.document.decode() + "\n")
    else:
        for line in shown(read, paper_of(sys.stdout, environ), arguments.depth):
            sys.stdout.write(line + "\n")
    sys.stdout.flush()


def shown(read: Read, paper: Paper, depth: int) -> Iterator[str]:
    """Yield the lines: the tree of the topology that was read, and what is missing from it."""
    topology = read.topology
    if not topology.clusters:
        yield "no clusters"
    yield from drawn(topology, paper, depth)
    if read.missing:
        yield ""
        yield paper.line([Word("incomplete:", Colour.YELLOW)])
        # To be read whole, however narrow the terminal is.
        yield from (f"  {printable(text)}" for text in read.missing)


def paper_of(out: TextIO, environ: Mapping[str, str]) -> Paper:
    """Return what is drawn on: as wide as the terminal, in colours unless NO_COLOR is set; elsewhere neither."""
    if not out.isatty():
        return Paper()
    has_colours = not environ.get("NO_COLOR") and environ.get("TERM") != "dumb"
    return Paper(shutil.get_terminal_size().columns, has_colours)
