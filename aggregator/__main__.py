"""The composition root: settings → parts → run until signalled → stop in order."""

import os
import sys
import threading
from typing import NoReturn

from aggregator import cli, logs, settings
from aggregator.errors import PartEndedError, PortInUseError, SettingsError


def main() -> None:
    """Run the gateway; exit 2 on bad settings, 1 where a port is taken or a part broke, 0 when told to stop."""
    cli.parser().parse_args()
    try:
        chosen = settings.read(os.environ)
    except SettingsError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(2)
    logs.configure(chosen.LOG_LEVEL, chosen.LOG_FORMAT, settings.secrets_of(chosen, os.environ))
    _tell_doubts(chosen)
    # gRPC's C library writes lines in a form of its own to stderr, for each handshake that fails and each malformed
    # call: whoever can connect could fill the log. It looks at this variable when it is imported, and only then.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    from aggregator import gateway  # noqa: PLC0415 - see above

    try:
        gateway.run(chosen)
    except PortInUseError as error:
        sys.stderr.write(f"{error}\n")
        _end(1)
    except PartEndedError:
        # The log has said which, and why.
        _end(1)
    _end(0)


def _tell_doubts(chosen: settings.Settings) -> None:
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


if __name__ == "__main__":
    main()
