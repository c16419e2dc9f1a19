"""The command line: help, version, and what there is to do beside serving; all settings come from the environment."""

import argparse
import textwrap

from aggregator import __version__
from aggregator.doctor import command as doctor
from aggregator.record import command as record
from aggregator.settings import described
from aggregator.show import command as show

_DESCRIPTION = (
    "Serves the live topology of a multi-cluster system over HTTP and gRPC, from the metrics in Prometheus or "
    "Thanos. It runs in the foreground and stops on SIGTERM or Ctrl-C."
)


def parser() -> argparse.ArgumentParser:
    """Return the parser, whose help lists every setting with its default.

    What it parses has a `run` where a command is given: what does it, and returns the exit code.
    """
    made = argparse.ArgumentParser(
        prog="aggregator",
        description=textwrap.fill(_DESCRIPTION, 100),
        epilog=_settings(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument("--version", action="version", version=f"aggregator {__version__}")
    commands = made.add_subparsers(title="commands", description="without one, it serves", metavar="COMMAND")
    doctor.add_to(commands)
    record.add_to(commands)
    show.add_to(commands)
    return made


def _settings() -> str:
    lines = ["settings, from the environment (an empty variable counts as not set):"]
    for name, default, _expected, meaning in described():
        lines.append(f"  {name}")
        lines += textwrap.wrap(
            f"{meaning} (default: {default})", 100, initial_indent="      ", subsequent_indent="      "
        )
    return "\n".join(lines)
