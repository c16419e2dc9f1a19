"""The command `aggregator tokens`: adds, lists and removes the tokens of nodes."""

import argparse
from collections.abc import Callable, Mapping
from contextlib import closing
from datetime import UTC, datetime
from ipaddress import ip_network
from pathlib import Path

from aggregator.cli.terminal import open_stderr, open_stdout, pad_to_width
from aggregator.errors import RegistryError, SettingsError
from aggregator.registry.nodes import NODE_NAME_EXPECTED, is_node_name
from aggregator.registry.store import RegistryFile
from aggregator.registry.tokens import NodeToken, digest_token, generate_token
from aggregator.settings.scrape import ScrapeSettings
from aggregator.settings.settings import load_settings

_NAME_COLUMNS = 24


def configure_tokens_parser(parser: argparse.ArgumentParser) -> None:
    """Add description and arguments of the command to its parser."""
    parser.description = (
        "Manages the tokens of nodes in the file REGISTRY_FILE, also while the scrape server runs. A token is valid "
        "for the reports of one node; the file contains only its digest. Exit code: 0 done, 1 failed, 2 invalid "
        "settings."
    )
    actions = parser.add_subparsers(
        title="actions", metavar="ACTION", required=True, parser_class=argparse.ArgumentParser
    )
    add = actions.add_parser("add", help="create the token of a node and print it, once")
    add.add_argument("name", metavar="NAME", help="name of the node")
    add.add_argument(
        "--from",
        dest="networks",
        metavar="CIDR",
        action="append",
        default=[],
        help="network from which the token may be used, and in which the node may have its address; may be repeated",
    )
    add.set_defaults(run=add_token)
    actions.add_parser("list", help="list the nodes with tokens").set_defaults(run=list_tokens)
    remove = actions.add_parser("remove", help="remove the token of a node")
    remove.add_argument("name", metavar="NAME", help="name of the node")
    remove.set_defaults(run=remove_token)


def add_token(arguments: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """Add a token and print it; return the exit code."""
    if not is_node_name(arguments.name):
        return _report(f"NAME must match {NODE_NAME_EXPECTED}, got {arguments.name}")
    try:
        networks = tuple(ip_network(text) for text in arguments.networks)
    except ValueError as error:
        return _report(f"--from: {error}")
    token = generate_token()

    def add(file: RegistryFile) -> int:
        created = datetime.now(UTC).isoformat(timespec="seconds")
        if not file.add_token(NodeToken(arguments.name, digest_token(token), networks), created):
            return _report(f"{arguments.name} has a token already; remove it first")
        open_stdout(environ).write_line(token)
        open_stderr().write_line(f"added to {Path(file.path).absolute()}; this token is not shown again")
        return 0

    return _use_file(environ, add)


def list_tokens(_arguments: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """Print the nodes with tokens, their networks, and when the tokens were added; return the exit code."""

    def list_all(file: RegistryFile) -> int:
        for token, created in file.list_tokens():
            networks = ", ".join(map(str, token.networks)) or "any address"
            open_stdout(environ).write_line(f"{pad_to_width(token.name, _NAME_COLUMNS)}  {created}  {networks}")
        return 0

    return _use_file(environ, list_all, is_new_allowed=False)


def remove_token(arguments: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """Remove the token of a node; return the exit code."""

    def remove(file: RegistryFile) -> int:
        return 0 if file.remove_token(arguments.name) else _report(f"{arguments.name} has no token")

    return _use_file(environ, remove, is_new_allowed=False)


def _use_file(environ: Mapping[str, str], use: Callable[[RegistryFile], int], *, is_new_allowed: bool = True) -> int:
    try:
        path = load_settings(environ, ScrapeSettings).REGISTRY_FILE
        if not is_new_allowed and not Path(path).exists():
            return _report(f"REGISTRY_FILE: {path} does not exist")
        with closing(RegistryFile(path)) as file:
            return use(file)
    except SettingsError as error:
        open_stderr().write_problems(error)
        return 2
    except RegistryError as error:
        return _report(str(error))


def _report(problem: str) -> int:
    open_stderr().write_line(problem)
    return 1
