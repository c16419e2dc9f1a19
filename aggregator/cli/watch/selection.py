"""The arguments of `aggregator watch` and `aggregator diff` that select objects and fields."""

import argparse
from collections.abc import Mapping

from aggregator.cli.watch.topology_copy import KINDS


def add_selection_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments, which have the names of the parameters of the API."""
    parser.add_argument("--kind", choices=KINDS, default="", help="only these objects (default: all)")
    parser.add_argument("--cluster", metavar="NAME", default="", help="only objects of this cluster")
    parser.add_argument("--filter", metavar="FILTER", default="", help="only matching objects; requires --kind")
    parser.add_argument("--labels", metavar="SELECTOR", default="", help="only nodes with matching labels")
    parser.add_argument("--fields", metavar="FIELDS", default="", help="only these fields; requires --kind")


def get_selection(arguments: argparse.Namespace) -> Mapping[str, str]:
    """Return the values by the names of the parameters, "" for those that are not given."""
    return {name: getattr(arguments, name) for name in ("kind", "cluster", "filter", "labels", "fields")}
