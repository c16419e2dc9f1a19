"""Pages that nodes push because they cannot be scraped; each is valid until its ttl has passed."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from aggregator.exposition.page import Page

# What all pushed pages together may take as text; in memory they take several times as much.
MAX_TOTAL_BYTES = 64 * 1024 * 1024
_EMPTY_PAGE = Page([])


class PushedPagesFullError(Exception):
    """No room for another page."""


@dataclass(frozen=True)
class _PushedPage:
    page: Page
    size_bytes: int
    expires_at: float


class PushedPages:
    """The last page of each node, in memory."""

    def __init__(self, clock: Callable[[], float] = time.monotonic, max_total_bytes: int = MAX_TOTAL_BYTES) -> None:
        self._clock = clock
        self._max_total_bytes = max_total_bytes
        self._pages: dict[str, _PushedPage] = {}

    def store(self, name: str, page: Page, size_bytes: int, ttl_seconds: float) -> None:
        """Replace the page of a node; raise PushedPagesFullError if all pages together are too large."""
        self._drop_expired()
        others = sum(pushed.size_bytes for other, pushed in self._pages.items() if other != name)
        if others + size_bytes > self._max_total_bytes:
            raise PushedPagesFullError
        self._pages[name] = _PushedPage(page, size_bytes, self._clock() + ttl_seconds)

    def _drop_expired(self) -> None:
        """Free the pages whose ttl has passed; their nodes remain known as those that push."""
        now = self._clock()
        for name, pushed in self._pages.items():
            if now > pushed.expires_at:
                self._pages[name] = _PushedPage(_EMPTY_PAGE, 0, pushed.expires_at)

    def has_pushed(self, name: str) -> bool:
        """Return whether a node has pushed a page, also if it has expired."""
        return name in self._pages

    def find_page(self, name: str) -> Page | None:
        """Return the page of a node, None if it has none that is still valid."""
        pushed = self._pages.get(name)
        return pushed.page if pushed is not None and self._clock() <= pushed.expires_at else None

    def remove(self, name: str) -> None:
        """Forget the page of a node."""
        self._pages.pop(name, None)
