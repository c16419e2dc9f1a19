"""How far a recording is, as a person at a terminal sees it."""

from dataclasses import dataclass
from typing import TextIO


@dataclass
class Counted:
    """What was recorded so far."""

    answers: int = 0
    failures: int = 0
    first_failure: str = ""


class Progress:
    """Says on a terminal how far it is; elsewhere nothing."""

    def __init__(self, refreshes: int, to: TextIO) -> None:
        self._refreshes = refreshes
        self._to = to
        self._is_on = to.isatty()

    def show(self, refreshes: int, counted: Counted, written_bytes: int) -> None:
        """Write the line anew."""
        if self._is_on:
            self._to.write(
                f"\r{refreshes} of {self._refreshes} refreshes, {counted.answers} answers, "
                f"{counted.failures} queries failed, {size_text(written_bytes)}\x1b[K"
            )
            self._to.flush()

    def end(self) -> None:
        """Take the line away."""
        if self._is_on:
            self._to.write("\r\x1b[K")
            self._to.flush()


def size_text(size_bytes: int) -> str:
    """Return a size as a person reads it."""
    return f"{size_bytes / 1e6:.1f} MB" if size_bytes >= 1e6 else f"{size_bytes / 1e3:.1f} kB"
