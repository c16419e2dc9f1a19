"""The processes that the demo has started: asked whether they still run, waited for, mourned."""

import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

LOOK_SECONDS = 0.1
TAIL_LINES = 12


class ChildError(Exception):
    """A process ended that should run, or did not do in time what it should; the text has the end of its log."""


@dataclass(frozen=True)
class Child:
    """A process with a name for people, and where its output goes."""

    name: str
    process: subprocess.Popen[bytes]
    log_path: Path

    def check(self) -> None:
        """Raise ChildError if the process has ended."""
        status = self.process.poll()
        if status is not None:
            how = f"with exit status {status}" if status >= 0 else f"by signal {-status}"
            raise ChildError(f"{self.name} ended {how}{self._last_words()}")

    def wait_until(self, happened: Callable[[], bool], what: str, within_seconds: float) -> None:
        """Ask `happened` again and again until it says yes; `what` names it for the error."""
        end = time.monotonic() + within_seconds
        while not happened():
            self.check()
            if time.monotonic() > end:
                raise ChildError(f"{self.name}: no {what} within {within_seconds:.0f} s{self._last_words()}")
            time.sleep(LOOK_SECONDS)

    def _last_words(self) -> str:
        lines = self.log_path.read_text(encoding="utf-8", errors="replace").splitlines()[-TAIL_LINES:]
        return "".join(f"\n  {line}" for line in lines)


def watch(children: Sequence[Child]) -> NoReturn:
    """Look after the processes for ever: only ChildError or a signal ends it."""
    while True:
        for child in children:
            child.check()
        time.sleep(LOOK_SECONDS)
