"""Scrapes the pods of jobs, and answers requests of the older Kubernetes aggregator."""

import asyncio
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import Response

from aggregator.exposition.page import Family, Page, PageLimits, make_sample
from aggregator.observability.logs import get_logger
from aggregator.scrape.access import ReaderRules
from aggregator.scrape.agent_scraper import fetch_page, run_sized
from aggregator.scrape.deadline import HangHistory, read_timeout
from aggregator.scrape.fetch import FailureReason, FetchRequest, PageFetcher, ScrapeError
from aggregator.scrape.job_page import write_job_page
from aggregator.scrape.own_families import TargetOutcome, build_own_page
from aggregator.scrape.pod_targets import PodTarget
from aggregator.scrape.pods import PodDiscovery
from aggregator.scrape.responses import TIMEOUT_HEADER, build_page, build_text
from aggregator.scrape.service import ScrapeService, TargetPage
from aggregator.scrape.service_account import ServiceAccount
from aggregator.util.disconnects import run_while_connected

# The answers of the older program, without a line end.
NO_JOB_TEXT = "Target job param/name not specified"
UNKNOWN_JOB_TEXT = "Target job name not found in cache"
# How many bytes of a sample line matter for the decision to merge on another thread.
_BYTES_PER_SAMPLE = 100
_UNAUTHORIZED = 401

_log = get_logger(__name__)


@dataclass(frozen=True)
class PodScrape:
    """The result of one pod; `page` is None if there is an error."""

    target: PodTarget
    scraped_at_seconds: float
    duration_seconds: float
    page: Page | None = None
    error: ScrapeError | None = None
    sample_count: int = 0


class PodScraper:
    """Scrapes pods: each within its own timeout, and without the token of this pod unless both sides agree."""

    def __init__(self, fetcher: PageFetcher, limits: PageLimits, service_account: ServiceAccount | None) -> None:
        self._fetcher = fetcher
        self._limits = limits
        self._service_account = service_account
        self._hangs = HangHistory()
        self._parsing = asyncio.Lock()

    async def scrape(self, target: PodTarget, seconds: float) -> PodScrape:
        """Return the page of a pod, or the error."""
        scraped_at, start = time.time(), time.perf_counter()
        target_seconds = self._hangs.choose_seconds(target.url, min(seconds, target.timeout_seconds))
        try:
            page = await self._fetch(target, target_seconds)
        except ScrapeError as error:
            self._hangs.record(target.url, is_hanging=error.is_hanging)
            return PodScrape(target, scraped_at, time.perf_counter() - start, error=error.without_traceback())
        self._hangs.record(target.url, is_hanging=False)
        return PodScrape(target, scraped_at, time.perf_counter() - start, page, sample_count=page.count_samples())

    def forget_others(self, targets: Sequence[PodTarget]) -> None:
        """Forget pods that are gone."""
        self._hangs.keep_only({target.url for target in targets})

    async def _fetch(self, target: PodTarget, seconds: float) -> Page:
        if target.problem:
            raise ScrapeError(FailureReason.INVALID_OPTION, target.problem)
        try:
            request = await self._build_request(target)
            return await fetch_page(self._fetcher, request, self._limits, seconds, self._parsing)
        except ScrapeError as error:
            # The token is read again for the next scrape.
            if target.sends_token and self._service_account is not None and error.status == _UNAUTHORIZED:
                self._service_account.forget_token()
            raise

    async def _build_request(self, target: PodTarget) -> FetchRequest:
        account = self._service_account
        if target.scheme == "http" or account is None:
            return FetchRequest(target.url, verifies_tls=target.verifies_tls)
        try:
            context = await account.get_ssl_context() if target.verifies_tls else None
            headers = {"Authorization": f"Bearer {await account.read_token()}"} if target.sends_token else {}
        except (OSError, ValueError):
            raise ScrapeError(FailureReason.TLS, "the files of the service account cannot be read") from None
        return FetchRequest(target.url, headers, verifies_tls=target.verifies_tls, ssl_context=context)


def build_discovery_page(discovery: PodDiscovery) -> Page:
    """Return the metrics of the discovery of pods."""
    pods = Family("aggregator_scrape_pods", "gauge", "Number of pods that are scrape targets.")
    pods.samples.append(make_sample(pods.name, [], len(discovery.list_targets())))
    age_seconds = discovery.age_seconds
    if age_seconds is None:
        return build_own_page([pods])
    age = Family(
        "aggregator_scrape_discovery_age_seconds",
        "gauge",
        "Time since the last answer of the Kubernetes API; meanwhile the last pods stay.",
    )
    age.samples.append(make_sample(age.name, [], round(age_seconds, 3)))
    return build_own_page([pods, age])


@dataclass(frozen=True)
class PodJobsOptions:
    """Settings: who may read, the default time for an answer, and the cluster of all pods."""

    readers: ReaderRules
    timeout_seconds: float
    cluster: str


class KubernetesPodJobs:
    """The jobs of the discovered pods."""

    def __init__(
        self, discovery: PodDiscovery, scraper: PodScraper, service: ScrapeService, options: PodJobsOptions
    ) -> None:
        self._discovery = discovery
        self._scraper = scraper
        self._service = service
        self._options = options
        # The last result of each pod, by namespace and name.
        self._last_scrapes: dict[tuple[str, str], PodScrape] = {}
        self._type_conflicts: dict[str, list[str]] = {}

    @property
    def is_complete(self) -> bool:
        """Whether all pods were listed once."""
        return self._discovery.is_complete

    async def answer_job(self, request: Request, job: str | None) -> Response:
        """Return the page of a job in the layout of the older program, or its two errors."""
        await self._options.readers.check(request)
        if not job:
            return build_text(NO_JOB_TEXT, 400)
        if not self._discovery.find_targets(job):
            return build_text(UNKNOWN_JOB_TEXT, 400)
        timeout_seconds = read_timeout(request.headers.get(TIMEOUT_HEADER), self._options.timeout_seconds)
        shared = self._service.share(("job", job, timeout_seconds), lambda: self._render_job(job, timeout_seconds))
        return build_page(request, await run_while_connected(request.receive, shared))

    async def scrape_jobs(self, jobs: Sequence[str] | None, seconds: float) -> list[TargetPage]:
        """Return the pages of all pods of these jobs, of all jobs for None."""
        scrapes = await self._scrape(self._select_targets(jobs), seconds)
        return [
            TargetPage(
                TargetOutcome(self._build_labels(each.target), each.duration_seconds, each.sample_count, each.error),
                each.page,
            )
            for each in scrapes
        ]

    def list_target_groups(self, jobs: Sequence[str] | None) -> list[Mapping[str, Any]]:
        """Return the pods of these jobs for service discovery; those with an invalid option are left out."""
        return [self._build_group(target) for target in self._select_targets(jobs) if not target.problem]

    def describe_targets(self) -> list[dict[str, Any]]:
        """Return the last results of all pods."""
        return [self._describe(target) for target in self._discovery.list_targets()]

    def _select_targets(self, jobs: Sequence[str] | None) -> list[PodTarget]:
        if jobs is None:
            return self._discovery.list_targets()
        return [target for job in jobs for target in self._discovery.find_targets(job)]

    async def _render_job(self, job: str, timeout_seconds: float) -> bytes:
        targets = self._discovery.find_targets(job)
        scrapes = await self._scrape(targets, self._service.compute_fetch_seconds(timeout_seconds, len(targets)))
        size_bytes = _BYTES_PER_SAMPLE * sum(each.sample_count for each in scrapes)
        # Each page is freed when it is merged: all of them can have hundreds of megabytes.
        pages = deque((each.target, each.page) for each in scrapes)
        del scrapes
        job_page = await run_sized(size_bytes, lambda: write_job_page(pages.popleft() for _ in range(len(pages))))
        if job_page.type_conflicts and job_page.type_conflicts != self._type_conflicts.get(job):
            _log.warning("type conflicts between the pods of a job", job=job, families=job_page.type_conflicts)
        # Only of jobs that still have pods: names of jobs come and go.
        jobs = {target.job for target in self._discovery.list_targets()}
        self._type_conflicts = {name: families for name, families in self._type_conflicts.items() if name in jobs}
        self._type_conflicts[job] = job_page.type_conflicts
        self._service.statistics.dropped["duplicate"] += job_page.dropped_duplicates
        self._service.statistics.dropped["exemplar"] += job_page.dropped_exemplars
        return job_page.body

    async def _scrape(self, targets: Sequence[PodTarget], seconds: float) -> list[PodScrape]:
        scrapes = await asyncio.gather(*(self._scraper.scrape(target, seconds) for target in targets))
        for scrape in scrapes:
            self._remember(scrape)
        current = self._discovery.list_targets()
        if len(self._last_scrapes) > len(current):
            keys = {(target.namespace, target.pod) for target in current}
            self._last_scrapes = {key: value for key, value in self._last_scrapes.items() if key in keys}
            self._scraper.forget_others(current)
        return scrapes

    def _remember(self, scrape: PodScrape) -> None:
        key = (scrape.target.namespace, scrape.target.pod)
        previous = self._last_scrapes.get(key)
        was_up = previous is None or previous.error is None
        if was_up and scrape.error is not None:
            error = scrape.error
            _log.warning("target failed", target="/".join(key), reason=error.reason.value, detail=str(error))
        elif not was_up and scrape.error is None:
            _log.info("target recovered", target="/".join(key))
        # Without the page, which takes most of the memory.
        self._last_scrapes[key] = replace(scrape, page=None)

    def _build_labels(self, target: PodTarget) -> dict[str, str]:
        """Return the labels of a target outside of the layout of the older program."""
        return {
            "job": target.job,
            "instance": target.address,
            "cluster": self._options.cluster,
            "namespace": target.namespace,
            "pod": target.pod,
        }

    def _build_group(self, target: PodTarget) -> Mapping[str, Any]:
        path, _, query = target.path.partition("?")
        labels = {name: value for name, value in self._build_labels(target).items() if name != "instance"}
        parameters = {f"__param_{name}": value for name, value in parse_qsl(query, keep_blank_values=True)}
        return {
            "targets": [target.address],
            "labels": {**labels, "__scheme__": target.scheme, "__metrics_path__": path, **parameters},
        }

    def _describe(self, target: PodTarget) -> dict[str, Any]:
        scrape = self._last_scrapes.get((target.namespace, target.pod))
        description = {
            "name": f"{target.namespace}/{target.pod}",
            "address": target.address,
            "labels": self._build_labels(target),
        }
        if scrape is None:
            return {**description, "up": None}
        return {
            **description,
            "up": scrape.error is None,
            "reason": None if scrape.error is None else scrape.error.reason.value,
            "detail": None if scrape.error is None else str(scrape.error),
            "lastScrapeSeconds": round(scrape.scraped_at_seconds, 3),
            "durationSeconds": round(scrape.duration_seconds, 6),
            "samples": scrape.sample_count,
        }
