"""The composition root: settings → parts → run until signalled → stop in order."""

import argparse
import os
import sys
import threading
from typing import NoReturn

from aggregator import cli, logs, settings, stopping
from aggregator.errors import CertificateError, PartEndedError, PortInUseError, RecordingError, SettingsError
from aggregator.secrets import Secrets
from aggregator.settings import Settings
from aggregator.settings.secrets import secrets_of


def start() -> None:
    """Do what the command line says, or serve; bad settings end the process with code 2."""
    arguments = cli.parser().parse_args()
    # gRPC's C library writes lines in a form of its own to stderr, for each handshake that fails and each malformed
    # call: whoever can connect could fill the log. It looks at this variable when it is imported, and only then.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    if "run" in arguments:
        sys.exit(_done(arguments))
    try:
        chosen = settings.read(os.environ)
    except SettingsError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(2)
    serve(chosen)


def _done(arguments: argparse.Namespace) -> int:
    """Do what the command is for; return its exit code, for Ctrl-C that of a program which it ended."""
    stopping.break_off_when_told()
    try:
        done: int = arguments.run(arguments, os.environ)
    except KeyboardInterrupt:
        return 130
    return done


def serve(chosen: Settings) -> None:
    """Serve until told to stop; what hinders it ends the process with code 1, and is told in one line."""
    secrets = Secrets(secrets_of(chosen, os.environ))
    logs.configure(chosen.LOG_LEVEL, chosen.LOG_FORMAT, secrets)
    _tell_doubts(chosen)
    from aggregator import gateway  # noqa: PLC0415 - imports gRPC, which looks at the environment

    try:
        gateway.run(chosen, secrets)
    except (CertificateError, PortInUseError) as error:
        # The files for TLS were good when the settings were read; they may be written anew at this moment.
        sys.stderr.write(f"{error}\n")
        _end(1)
    except RecordingError as error:
        sys.stderr.write(f"PROMETHEUS_ADDRESS: the recording {error}\n")
        _end(1)
    except PartEndedError:
        # The log has said which, and why.
        _end(1)
    _end(0)


def _tell_doubts(chosen: Settings) -> None:
    """Warn of what is most likely not meant; what a misspelled variable holds may be a secret."""
    log = logs.logger(__name__)
    for variable, meant in settings.misspelled_in(os.environ):
        log.warning("a variable is no setting, but looks like one", variable=variable, setting=meant)
    for remark in chosen.remarks():
        log.warning("a setting has no effect", reason=remark)


def _end(code: int) -> NoReturn:
    """End the process. Python would wait for threads that wait, say, for a name server; all that matters is done."""
    if any(not thread.daemon for thread in threading.enumerate() if thread is not threading.main_thread()):
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)
