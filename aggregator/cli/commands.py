"""The commands of the command line; the code of a command is imported only when it is chosen.

The settings and the servers of the gateway take more memory than an agent may use.
"""

import argparse
import re
from collections.abc import Callable
from typing import Any, NamedTuple


def _configure_agent(parser: argparse.ArgumentParser) -> None:
    from aggregator.cli.agent import configure_agent_parser  # noqa: PLC0415 - see above

    configure_agent_parser(parser)


def _configure_diff(parser: "CommandParser") -> None:
    from aggregator.cli.watch.diff import configure_diff_parser  # noqa: PLC0415 - see above

    configure_diff_parser(parser)


def _configure_doctor(parser: argparse.ArgumentParser) -> None:
    from aggregator.cli.doctor.command import configure_doctor_parser  # noqa: PLC0415 - see above

    configure_doctor_parser(parser)


def _configure_mcp(parser: argparse.ArgumentParser) -> None:
    from aggregator.cli.mcp import configure_mcp_parser  # noqa: PLC0415 - see above

    configure_mcp_parser(parser)


def _configure_record(parser: argparse.ArgumentParser) -> None:
    from aggregator.cli.record import configure_record_parser  # noqa: PLC0415 - see above

    configure_record_parser(parser)


def _configure_scrape(parser: argparse.ArgumentParser) -> None:
    from aggregator.cli.scrape import configure_scrape_parser  # noqa: PLC0415 - see above

    configure_scrape_parser(parser)


def _configure_show(parser: argparse.ArgumentParser) -> None:
    from aggregator.cli.show.command import configure_show_parser  # noqa: PLC0415 - see above

    configure_show_parser(parser)


def _configure_tokens(parser: argparse.ArgumentParser) -> None:
    from aggregator.cli.tokens import configure_tokens_parser  # noqa: PLC0415 - see above

    configure_tokens_parser(parser)


def _configure_watch(parser: argparse.ArgumentParser) -> None:
    from aggregator.cli.watch.command import configure_watch_parser  # noqa: PLC0415 - see above

    configure_watch_parser(parser)


class Command(NamedTuple):
    """A command: its name, its line in the help, and the function that adds its arguments, `run` and description."""

    name: str
    help: str
    configure_parser: "Callable[[CommandParser], None]"


COMMANDS = (
    Command("agent", "serve metrics of this Docker host, and report to masters", _configure_agent),
    Command("diff", "print what changed in the topology between two times", _configure_diff),
    Command("doctor", "check the settings, the upstreams and one refresh, and report problems", _configure_doctor),
    Command("mcp", "offer the topology of a running gateway to a language model", _configure_mcp),
    Command("record", "write the responses of the upstreams into a file for replay", _configure_record),
    Command("scrape", "scrape agents and merge their metrics; register nodes that report", _configure_scrape),
    Command("show", "print the topology as a tree", _configure_show),
    Command("tokens", "manage the tokens of nodes that report to the scrape server", _configure_tokens),
    Command("watch", "print what changes in the topology, until Ctrl-C", _configure_watch),
)


_RELATIVE_TIME = re.compile("-[0-9]")


class CommandParser(argparse.ArgumentParser):
    """The parser of one command. It gets its arguments when it is used for the first time.

    With `has_relative_times`, arguments such as `-1h` are values, and begin with a space.
    """

    def __init__(self, *, configure_parser: "Callable[[CommandParser], None] | None" = None, **options: Any) -> None:
        super().__init__(**options)
        self._configure_parser = configure_parser
        self.has_relative_times = False

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse the arguments of the command."""
        if self._configure_parser is not None:
            self._configure_parser(self)
            self._configure_parser = None
        if self.has_relative_times and args is not None:
            # argparse takes what begins with a minus sign and is no number for an option.
            args = [f" {each}" if _RELATIVE_TIME.match(each) else each for each in args]
        return super().parse_known_args(args, namespace)


def add_commands(subparsers: "argparse._SubParsersAction[CommandParser]") -> None:
    """Add all commands to those of the command line."""
    for command in COMMANDS:
        subparsers.add_parser(command.name, help=command.help, configure_parser=command.configure_parser)
