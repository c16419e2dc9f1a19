"""The composition root: settings → parts → run until signalled → stop in order."""

import os
import sys

from aggregator import cli, logs, settings
from aggregator.errors import CertificateError, PartEndedError, PortInUseError, SettingsError
from aggregator.settings import Settings


def start() -> None:
    """Read the command line and the environment, and serve; bad settings end the process with code 2."""
    cli.parser().parse_args()
    try:
        chosen = settings.read(os.environ)
    except SettingsError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(2)
    serve(chosen)


def serve(chosen: Settings) -> None:
    """Serve until told to stop; what hinders it ends the process with code 1, and is told in one line."""
    logs.configure(chosen.LOG_LEVEL, chosen.LOG_FORMAT, settings.secrets_of(chosen, os.environ))
    # gRPC's C library writes lines in a form of its own to stderr, for each handshake that fails and each malformed
    # call: whoever can connect could fill the log. It looks at this variable when it is imported, and only then.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    from aggregator import gateway  # noqa: PLC0415 - see above

    try:
        gateway.run(chosen)
    except (CertificateError, PortInUseError) as error:
        # The files for TLS were good when the settings were read; they may be written anew at this moment.
        sys.stderr.write(f"{error}\n")
        sys.exit(1)
    except PartEndedError:
        # The log has said which, and why.
        sys.exit(1)
