"""The command line: `aggregator` serves; `aggregator doctor`, `record` and `show` are commands."""

import argparse
import os
import sys
import textwrap
import threading
from typing import TYPE_CHECKING, NoReturn

from aggregator import __version__
from aggregator.app import signals
from aggregator.cli import commands
from aggregator.cli.terminal import escape_unencodable_output, open_stderr, open_stdout
from aggregator.errors import CertificateError, ComponentStoppedError, PortInUseError, RecordingError, SettingsError
from aggregator.observability import logs
from aggregator.observability.redaction import Redactor
from aggregator.settings.settings import describe_settings, find_misspelled_variables, find_secrets, load_settings

if TYPE_CHECKING:
    # At run time only without a command: importing it takes 0.3 s and 30 MiB.
    from aggregator.settings.gateway import Settings

_DESCRIPTION = (
    "Serves the live topology of a multi-cluster system over HTTP and gRPC, built from metrics in Prometheus or "
    "Thanos. Runs in the foreground and stops on SIGTERM or Ctrl-C."
)

# Listed first in the help.
USUAL_SETTINGS = (
    "PROMETHEUS_ADDRESS",
    "HTTP_PORT",
    "GRPC_PORT",
    "HTTP_HOST",
    "GRPC_HOST",
    "ISSUER",
    "KEY",
    "REFRESH_INTERVAL",
    "MAX_STALE",
)


class GatewayParser(argparse.ArgumentParser):
    """The parser of the command line; its help lists every setting of the gateway with its default."""

    def format_help(self) -> str:
        """Return the help. It is the only text that needs the settings."""
        self.epilog = _format_settings_help()
        return super().format_help()


def build_parser() -> argparse.ArgumentParser:
    """Return the parser.

    With a command, the parsed arguments have a `run`, a function that executes it and returns the exit code.
    """
    parser = GatewayParser(
        prog="aggregator",
        description=textwrap.fill(_DESCRIPTION, 100),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"aggregator {__version__}")
    commands.add_commands(
        parser.add_subparsers(
            title="commands",
            description="without a command, aggregator serves the topology",
            metavar="COMMAND",
            parser_class=commands.CommandParser,
        )
    )
    return parser


def _format_settings_help() -> str:
    from aggregator.settings.gateway import Settings  # noqa: PLC0415 - see above

    entries = {name: texts for name, *texts in describe_settings(Settings)}
    lines = ["settings, from environment variables (an empty variable counts as not set); the usual ones:"]
    for name in USUAL_SETTINGS:
        lines += _format_setting(name, *entries.pop(name))
    lines += ["", "all other settings:"]
    for name, texts in entries.items():
        lines += _format_setting(name, *texts)
    return "\n".join(lines)


def _format_setting(name: str, default: str, expected: str, description: str) -> list[str]:
    suffix = "(required)" if default == "required" else f"(default: {default})"
    text = f"{description}. Accepted: {expected} {suffix}"
    return [f"  {name}", *textwrap.wrap(text, 100, initial_indent="      ", subsequent_indent="      ")]


def run_command_line() -> None:
    """Execute the command, or run the gateway; exit with code 2 if the settings are invalid."""
    escape_unencodable_output()
    arguments = build_parser().parse_args()
    # The gRPC library writes to stderr for each failed handshake and malformed call, so that any client could fill
    # the log. It reads this variable once, when it is imported.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    if "run" in arguments:
        sys.exit(_run_command(arguments))
    from aggregator.settings.gateway import Settings  # noqa: PLC0415 - see above

    try:
        settings = load_settings(os.environ, Settings)
    except SettingsError as error:
        open_stderr().write_problems(error)
        sys.exit(2)
    serve(settings)


def _run_command(arguments: argparse.Namespace) -> int:
    """Execute a command; return its exit code, 130 after Ctrl-C."""
    signals.restore_default_signals()
    try:
        exit_code: int = arguments.run(arguments, os.environ)
    except KeyboardInterrupt:
        return 130
    open_stdout(os.environ).flush()
    return exit_code


def serve(settings: "Settings") -> None:
    """Run the gateway until a signal stops it; exit with code 1 and one line if it cannot start or breaks."""
    redactor = Redactor(find_secrets(settings, os.environ))
    logs.configure_logging(settings.LOG_LEVEL, settings.LOG_FORMAT, redactor)
    _log_settings_warnings(settings)
    from aggregator.app import lifecycle  # noqa: PLC0415 - imports gRPC, which reads GRPC_VERBOSITY

    try:
        lifecycle.run_gateway(settings, redactor)
    except (CertificateError, PortInUseError) as error:
        # Certificate files that were valid when the settings were loaded may have been replaced since.
        open_stderr().write_line(str(error))
        _exit_process(1)
    except RecordingError as error:
        open_stderr().write_line(f"PROMETHEUS_ADDRESS: the recording {error}")
        _exit_process(1)
    except ComponentStoppedError:
        # Already logged.
        _exit_process(1)
    _exit_process(0)


def _log_settings_warnings(settings: "Settings") -> None:
    """Log likely mistakes, and whether tokens are missing; never the value of a misspelled variable, maybe a secret."""
    log = logs.get_logger(__name__)
    for variable, suggestion in find_misspelled_variables(os.environ, type(settings)):
        log.warning("unknown variable", variable=variable, did_you_mean=suggestion)
    for warning in settings.find_warnings():
        log.warning("setting without effect", reason=warning)
    if settings.network_servers and not settings.requires_tokens:
        addresses = " and ".join(f"{server}_HOST=127.0.0.1" for server in settings.network_servers)
        log.warning(
            "open to the network",
            reason="other machines can read the topology without a token",
            advice=f"set ISSUER, JWKS_URL or KEY, or {addresses}",
        )


def _exit_process(code: int) -> NoReturn:
    """End the process at once: at this point Python would only wait for threads, such as a blocked DNS lookup."""
    if any(not thread.daemon for thread in threading.enumerate() if thread is not threading.main_thread()):
        open_stderr().flush()
        os._exit(code)
    sys.exit(code)
