"""Scrapes one agent: its page of metrics, and the JSON of the old exporter."""

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from aggregator.errors import PageError
from aggregator.exposition.page import Page, PageLimits
from aggregator.exposition.parse import parse_page
from aggregator.scrape.deadline import HangHistory
from aggregator.scrape.fetch import (
    JSON_ACCEPT,
    TEXT_ACCEPT,
    FailureReason,
    FetchedPage,
    FetchRequest,
    PageFetcher,
    ScrapeError,
)
from aggregator.scrape.legacy_page import parse_agent_data
from aggregator.scrape.pushed_pages import PushedPages
from aggregator.scrape.targets import AgentTarget
from aggregator.scrape.threads import run_in_thread

AGENT_DATA_PATH = "/get-data"
# The answers of a program that does not have a path.
_UNKNOWN_PATH_STATUSES = (404, 405, 501)
# An old agent that is replaced in place is found after this time.
OLD_AGENT_SECONDS = 60.0
# Larger bodies are parsed on another thread; this many bytes take a few milliseconds.
_MAX_BYTES_ON_LOOP = 128 * 1024

_Result = TypeVar("_Result")


@dataclass(frozen=True)
class AgentAnswer:
    """What an agent answered. `error` is None if it answered what it should.

    `is_hanging` means that one of its answers was late, even one without which there is no error.
    `page` are its metrics, None if they were not asked for; `data` is the JSON of the old exporter.
    """

    target: AgentTarget
    scraped_at_seconds: float
    duration_seconds: float
    page: Page | None = None
    data: Mapping[str, Any] | None = None
    error: ScrapeError | None = None
    sample_count: int = 0
    is_hanging: bool = False


async def parse_fetched_page(fetched: FetchedPage, limits: PageLimits) -> Page:
    """Return the page of a response; raise ScrapeError if it is not one. A page is used as a whole or not at all."""
    media_type = fetched.content_type.partition(";")[0].strip().lower()
    if media_type and not media_type.startswith("text/") and media_type != "application/openmetrics-text":
        raise ScrapeError(FailureReason.NOT_TEXT, "the content type is not that of a page of metrics")
    is_cancelled = threading.Event()
    try:
        return await run_sized(
            len(fetched.body), lambda: parse_page(fetched.body, limits, fetched.content_type, is_cancelled.is_set)
        )
    except PageError as error:
        raise ScrapeError(FailureReason(error.reason), str(error)) from None
    finally:
        # A thread goes on when nobody waits for it any longer.
        is_cancelled.set()


async def fetch_page(
    fetcher: PageFetcher, request: FetchRequest, limits: PageLimits, seconds: float, turn: asyncio.Lock
) -> Page:
    """Return the page of a target, fetched and parsed within this time; raise ScrapeError if there is none.

    A thousand pages that arrive at once are parsed one by one with the lock, and with other requests in between. Large
    pages have their threads: one that takes long must not hold up the others.
    """
    deadline = asyncio.get_running_loop().time() + seconds
    fetched = await fetcher.fetch(request, seconds)
    try:
        async with asyncio.timeout_at(deadline):
            if len(fetched.body) > _MAX_BYTES_ON_LOOP:
                return await parse_fetched_page(fetched, limits)
            async with turn:
                page = await parse_fetched_page(fetched, limits)
                await asyncio.sleep(0)
            return page
    except TimeoutError:
        raise ScrapeError(FailureReason.DEADLINE, "the page was not read in time") from None


async def run_sized(size_bytes: int, function: Callable[[], _Result]) -> _Result:
    """Call a function that processes this many bytes, on another thread if that would hold up the event loop."""
    return function() if size_bytes <= _MAX_BYTES_ON_LOOP else await run_in_thread(function)


class AgentScraper:
    """Scrapes agents, and remembers which of them hang, and which are old ones without metrics of their own."""

    def __init__(
        self,
        fetcher: PageFetcher,
        limits: PageLimits,
        pushed_pages: PushedPages,
        hangs: HangHistory,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._fetcher = fetcher
        self._limits = limits
        self._pushed_pages = pushed_pages
        self._hangs = hangs
        # The time until which an old agent is not asked for a page.
        self._old_agents: dict[str, float] = {}
        self._clock = clock
        self._parsing = asyncio.Lock()

    async def scrape(self, target: AgentTarget, seconds: float, *, with_page: bool, with_data: bool) -> AgentAnswer:
        """Return what an agent answers within this time, or a shorter one if it hung before."""
        target_seconds = self._hangs.choose_seconds(target.address, seconds)
        answer = await self._scrape_within(target, target_seconds, with_page=with_page, with_data=with_data)
        self._hangs.record(target.address, is_hanging=answer.is_hanging)
        return answer

    async def _scrape_within(
        self, target: AgentTarget, seconds: float, *, with_page: bool, with_data: bool
    ) -> AgentAnswer:
        """Return what an agent answers within this time. The JSON of an old agent is its whole answer."""
        scraped_at, start = time.time(), time.perf_counter()
        page_result: Page | ScrapeError | None = None
        data_result: Mapping[str, Any] | ScrapeError | None = None
        if self._old_agents.get(target.address, 0) > self._clock():
            data_result = await _catch(self._fetch_data(target, seconds))
        elif with_page and with_data and not target.is_pushed:
            page_result, data_result = await asyncio.gather(
                _catch(self._fetch_page(target, seconds)), _catch(self._fetch_data(target, seconds))
            )
        elif with_page:
            page_result = await _catch(self._fetch_page(target, seconds))
        elif with_data:
            data_result = await _catch(self._fetch_data(target, seconds))
        is_unknown_path = _is_unknown_path(page_result)
        if is_unknown_path:
            remaining_seconds = seconds - (time.perf_counter() - start)
            if data_result is None:
                data_result = await _catch(self._fetch_data(target, remaining_seconds))
            page_result = None
        self._remember_kind(target, data_result, is_unknown_path=is_unknown_path)
        page = page_result if isinstance(page_result, Page) else None
        data = data_result if isinstance(data_result, Mapping) else None
        return AgentAnswer(
            target,
            scraped_at,
            time.perf_counter() - start,
            page,
            data,
            _choose_error(page_result, data_result),
            page.count_samples() if page is not None else 0,
            any(isinstance(result, ScrapeError) and result.is_hanging for result in (page_result, data_result)),
        )

    def forget_others(self, addresses: set[str]) -> None:
        """Forget agents that are gone."""
        self._hangs.keep_only(addresses)
        self._old_agents = {key: until for key, until in self._old_agents.items() if key in addresses}

    async def send_command(self, target: AgentTarget, path: str, seconds: float) -> FetchedPage:
        """Send a command to an agent; raise ScrapeError if it does not answer."""
        request = FetchRequest(target.build_url(path), _build_headers(target), accept="text/plain, */*", method="POST")
        return await self._fetcher.fetch_any_status(request, seconds)

    def _remember_kind(self, target: AgentTarget, data_result: object, *, is_unknown_path: bool) -> None:
        if is_unknown_path and isinstance(data_result, Mapping):
            self._old_agents[target.address] = self._clock() + OLD_AGENT_SECONDS
        elif isinstance(data_result, ScrapeError):
            # Another agent may have taken its place.
            self._old_agents.pop(target.address, None)

    async def _fetch_page(self, target: AgentTarget, seconds: float) -> Page:
        if target.is_pushed and target.node is not None:
            pushed = self._pushed_pages.find_page(target.node)
            if pushed is None:
                raise ScrapeError(FailureReason.EXPIRED, "the pushed page is older than its ttl")
            return pushed
        request = _build_request(target, target.metrics_path, TEXT_ACCEPT)
        return await fetch_page(self._fetcher, request, self._limits, seconds, self._parsing)

    async def _fetch_data(self, target: AgentTarget, seconds: float) -> Mapping[str, Any]:
        fetched = await self._fetcher.fetch(_build_request(target, AGENT_DATA_PATH, JSON_ACCEPT), seconds)
        try:
            return await run_sized(len(fetched.body), lambda: parse_agent_data(fetched.body))
        except ValueError:
            raise ScrapeError(FailureReason.MALFORMED, "the answer is not a JSON object") from None


def _build_request(target: AgentTarget, path: str, accept: str) -> FetchRequest:
    if target.host is None:
        raise ScrapeError(FailureReason.INVALID_ADDRESS, "the entry is not host, host:port or [IPv6]:port")
    return FetchRequest(target.build_url(path), _build_headers(target), accept)


def _build_headers(target: AgentTarget) -> dict[str, str]:
    return {} if target.authorization is None else {"Authorization": f"Bearer {target.authorization}"}


async def _catch(scrape: Awaitable[_Result]) -> _Result | ScrapeError:
    try:
        return await scrape
    except ScrapeError as error:
        return error.without_traceback()


def _is_unknown_path(result: object) -> bool:
    return isinstance(result, ScrapeError) and result.status in _UNKNOWN_PATH_STATUSES


def _choose_error(page_result: object, data_result: object) -> ScrapeError | None:
    """Return the error of the page if it was asked for, else that of the JSON."""
    decisive = page_result if page_result is not None else data_result
    return decisive if isinstance(decisive, ScrapeError) else None
