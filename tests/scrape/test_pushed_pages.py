"""Pages that nodes push."""

import pytest

from aggregator.exposition.page import Family, Page, make_sample
from aggregator.scrape.pushed_pages import PushedPages, PushedPagesFullError

PAGE = Page([Family("a", samples=[make_sample("a", [], 1)])])


def test_expired_pages_make_room() -> None:
    """All pages together are limited, those whose ttl has passed do not count, and their nodes stay known."""
    now = [0.0]
    pages = PushedPages(lambda: now[0], max_total_bytes=10)
    pages.store("a", PAGE, 8, 60)
    with pytest.raises(PushedPagesFullError):
        pages.store("b", PAGE, 8, 60)
    now[0] = 61
    pages.store("b", PAGE, 8, 60)
    assert pages.find_page("b") is PAGE
    assert pages.find_page("a") is None
    assert pages.has_pushed("a")
