"""The composition root: settings → parts → run until signalled → stop in order."""

import argparse
import os
import sys

from aggregator import cli, logs, settings
from aggregator.errors import PartEndedError, PortInUseError, RecordingError, SettingsError


def main() -> None:
    """Run the gateway, or the command that is given; exit 2 on bad settings, 1 where it cannot be done, else 0."""
    arguments = cli.parser().parse_args()
    # gRPC's C library writes lines in a form of its own to stderr, for each handshake that fails and each malformed
    # call: whoever can connect could fill the log. It looks at this variable when it is imported, and only then.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    if "run" in arguments:
        sys.exit(_done(arguments))
    serve()


def _done(arguments: argparse.Namespace) -> int:
    """Do what the command is for; return its exit code, for Ctrl-C that of a program which it ended."""
    try:
        done: int = arguments.run(arguments, os.environ)
    except KeyboardInterrupt:
        return 130
    return done


def serve() -> None:
    """Run the gateway until it is told to stop."""
    try:
        chosen = settings.read(os.environ)
    except SettingsError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(2)
    logs.configure(chosen.LOG_LEVEL, chosen.LOG_FORMAT, settings.secrets_of(chosen, os.environ))
    from aggregator import gateway  # noqa: PLC0415 - imports gRPC, which looks at the environment

    try:
        gateway.run(chosen)
    except PortInUseError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(1)
    except RecordingError as error:
        sys.stderr.write(f"PROMETHEUS_ADDRESS: the recording {error}\n")
        sys.exit(1)
    except PartEndedError:
        # The log has said which, and why.
        sys.exit(1)


if __name__ == "__main__":
    main()
