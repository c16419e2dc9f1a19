"""Scrapes named URLs once and merges their pages, for trying things out."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from aggregator.exposition.merge import merge_pages
from aggregator.exposition.page import Page, PageLimits
from aggregator.exposition.relabel import relabel
from aggregator.exposition.write import write_families
from aggregator.scrape.agent_scraper import fetch_page
from aggregator.scrape.fetch import FetchRequest, PageFetcher, ScrapeError
from aggregator.scrape.own_families import TargetOutcome, build_target_page


@dataclass(frozen=True)
class MergedUrls:
    """The merged page, and the outcomes in the order of the URLs."""

    body: bytes
    outcomes: tuple[TargetOutcome, ...]
    type_conflicts: tuple[str, ...]


async def merge_urls(urls: Sequence[str], fetcher: PageFetcher, limits: PageLimits, seconds: float) -> MergedUrls:
    """Return the merged pages of these URLs; `instance` is the host and port of each."""
    turn = asyncio.Lock()

    async def scrape(url: str) -> tuple[TargetOutcome, Page | None]:
        labels, start = {"instance": urlsplit(url).netloc.rpartition("@")[2]}, time.perf_counter()
        try:
            page = await fetch_page(fetcher, FetchRequest(url), limits, seconds, turn)
        except ScrapeError as error:
            return TargetOutcome(labels, time.perf_counter() - start, 0, error), None
        return TargetOutcome(labels, time.perf_counter() - start, page.count_samples(), None), page

    async with fetcher:
        results = await asyncio.gather(*map(scrape, urls))
    pages = [relabel(page, outcome.labels) for outcome, page in results if page is not None]
    outcomes = tuple(outcome for outcome, _ in results)
    merged = merge_pages([build_target_page(outcomes), *pages])
    return MergedUrls(write_families(merged.families), outcomes, tuple(merged.type_conflicts))
