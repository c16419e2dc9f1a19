"""The processes that the demo starts: supervised, waited for, and stopped in order after a signal."""

import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import FrameType
from typing import NoReturn

from demo.prometheus import stop_process

PROJECT = Path(__file__).resolve().parent.parent
POLL_INTERVAL_SECONDS = 0.1
LOG_TAIL_LINES = 12
# A terminal sends SIGHUP when it is closed.
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class ManagedProcessError(Exception):
    """A process ended unexpectedly, or was not ready in time; the text contains the end of its log."""


class StopRequest(BaseException):
    """The user or a supervisor stops the demo. Not an Exception, so that no handler for errors catches it."""


@dataclass(frozen=True)
class ManagedProcess:
    """A process with a name for messages, and the path of its log."""

    name: str
    process: subprocess.Popen[bytes]
    log_path: Path

    def check_running(self) -> None:
        """Raise ManagedProcessError if the process has ended."""
        status = self.process.poll()
        if status is not None:
            how = f"with exit status {status}" if status >= 0 else f"by signal {-status}"
            raise ManagedProcessError(f"{self.name} ended {how}{self._format_log_tail()}")

    def wait_until(self, condition: Callable[[], bool], description: str, timeout_seconds: float) -> None:
        """Poll the condition until it is true; raise ManagedProcessError with its description after the timeout."""
        end = time.monotonic() + timeout_seconds
        while not condition():
            self.check_running()
            if time.monotonic() > end:
                raise ManagedProcessError(
                    f"{self.name}: no {description} within {timeout_seconds:.0f} s{self._format_log_tail()}"
                )
            time.sleep(POLL_INTERVAL_SECONDS)
        # Another process can be what made it true, such as one that has the port.
        self.check_running()

    def _format_log_tail(self) -> str:
        lines = self.log_path.read_text(encoding="utf-8", errors="replace").splitlines()[-LOG_TAIL_LINES:]
        return "".join(f"\n  {line}" for line in lines)


@contextlib.contextmanager
def run_process(
    name: str, command: Sequence[str], environ: Mapping[str, str], log_path: Path, user: str | None = None
) -> Iterator[ManagedProcess]:
    """Run a command while the block runs; its output goes to a file.

    It runs in the folder of the project, or as another user in that of the log. On Linux, it also ends when the thread
    that starts it ends, such as when this process is killed.
    """
    account = pwd.getpwnam(user) if user else None
    with contextlib.ExitStack() as stack:
        log = stack.enter_context(log_path.open("wb"))
        if account:
            # Before the start, because programs open their log again, as /dev/stderr.
            os.fchown(log.fileno(), account.pw_uid, account.pw_gid)
        process = stack.enter_context(
            subprocess.Popen(
                [*_find_lifetime_option(), *command],
                cwd=log_path.parent if account else PROJECT,
                env=environ,
                stdout=log,
                stderr=log,
                # In a new session, Ctrl-C reaches only the demo, which then stops all processes in order.
                start_new_session=True,
                user=account.pw_uid if account else None,
                group=account.pw_gid if account else None,
                extra_groups=[] if account else None,
            )
        )
        try:
            yield ManagedProcess(name, process, log_path)
        finally:
            stop_process(process)


@cache
def _find_lifetime_option() -> tuple[str, ...]:
    """Return the start of a command that ends with its parent, empty where no program has such an option."""
    program = shutil.which("setpriv")
    option = (program, "--pdeathsig", "TERM") if program else ()
    # That of BusyBox has none.
    is_supported = option and subprocess.run([*option, "true"], capture_output=True, check=False).returncode == 0
    return option if is_supported else ()


def supervise_processes(processes: Sequence[ManagedProcess]) -> NoReturn:
    """Check forever that the processes run; raise ManagedProcessError if one has ended."""
    while True:
        for process in processes:
            process.check_running()
        time.sleep(POLL_INTERVAL_SECONDS)


def install_signal_handlers() -> None:
    """Raise StopRequest in the main thread on the first stop signal; ignore later ones."""
    for number in STOP_SIGNALS:
        # nohup ignores SIGHUP.
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, _raise_stop_request)


def ignore_stop_signals() -> None:
    """Ignore stop signals, so that nothing interrupts the shutdown."""
    for number in STOP_SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def _raise_stop_request(_number: int, _frame: FrameType | None) -> None:
    ignore_stop_signals()
    raise StopRequest
