"""Answers scrapes: asks all targets at once within the scraper's time, and merges what they answer."""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import chain

from aggregator.exposition.merge import PageMerger
from aggregator.exposition.page import Page
from aggregator.exposition.relabel import relabel
from aggregator.exposition.write import drain_families, write_families
from aggregator.observability.logs import get_logger
from aggregator.registry.nodes import NodeRegistry, RegisteredNode
from aggregator.scrape.agent_scraper import AgentAnswer, AgentScraper
from aggregator.scrape.deadline import compute_fetch_seconds
from aggregator.scrape.fetch import FetchedPage
from aggregator.scrape.legacy_page import LegacyHost, build_legacy_page, choose_hostname, name_hosts_uniquely
from aggregator.scrape.own_families import (
    AnswerStatistics,
    ScrapeProcessMetrics,
    TargetOutcome,
    build_answer_page,
    build_conflict_families,
    build_node_page,
    build_target_page,
)
from aggregator.scrape.targets import AgentDirectory, AgentTarget
from aggregator.scrape.threads import run_in_thread
from aggregator.util.single_flight import SingleFlight

_log = get_logger(__name__)


@dataclass(frozen=True)
class AnswerOptions:
    """Which of the old metrics are on the page of all agents, and how long answers are used again."""

    has_legacy_metrics: bool = True
    percent_scale: int = 100
    reuse_seconds: float = 1.0


@dataclass(frozen=True)
class TargetPage:
    """The page of one target with its labels, or the error."""

    outcome: TargetOutcome
    page: Page | None = None


@dataclass(frozen=True)
class MergeInput:
    """What an answer is merged from.

    These are pages of this server, pages of targets, which get the labels of the target, and nodes with their clusters.
    The merge empties `target_pages`: all pages of a large answer, freed at once, would hold up other requests.
    """

    own_pages: Sequence[Page] = ()
    target_pages: deque[TargetPage] = field(default_factory=deque)
    nodes: Sequence[tuple[RegisteredNode, str]] = ()
    honor_labels: bool = False
    fetch_seconds: float = 0.0


class ScrapeService:
    """Scrapes agents and merges their pages."""

    def __init__(
        self,
        directory: AgentDirectory,
        scraper: AgentScraper,
        registry: NodeRegistry,
        options: AnswerOptions,
        page_sources: Sequence[Callable[[], Page]] = (),
    ) -> None:
        self.directory = directory
        self.registry = registry
        self.statistics = AnswerStatistics()
        # The last answer of each agent, by address.
        self.last_answers: dict[str, AgentAnswer] = {}
        self._scraper = scraper
        self._options = options
        # Further metrics of this server.
        self._page_sources = page_sources
        self._flights: SingleFlight[bytes] = SingleFlight(options.reuse_seconds)
        self._process_metrics = ScrapeProcessMetrics()
        self._duplicate_hostnames: frozenset[str] = frozenset()

    async def share(self, key: Hashable, build: Callable[[], Awaitable[bytes]]) -> bytes:
        """Return one answer for all that ask for the same at about the same time."""
        return await self._flights.run(key, build)

    def compute_fetch_seconds(self, timeout_seconds: float, target_count: int) -> float:
        """Return the time that this many targets have if the scraper waits for `timeout_seconds`."""
        return compute_fetch_seconds(timeout_seconds, self.statistics.estimate_merge_seconds(target_count))

    async def list_targets(self) -> list[AgentTarget]:
        """Return all agents, and forget what is known about those that are gone."""
        targets = await self.directory.list_targets()
        if len(self.last_answers) > len(targets):
            addresses = {target.address for target in targets}
            self.last_answers = {key: answer for key, answer in self.last_answers.items() if key in addresses}
            self._scraper.forget_others(addresses)
        return targets

    async def render_legacy_page(self, timeout_seconds: float) -> bytes:
        """Return the page of the old aggregator, byte for byte but for escaping."""
        targets = await self.list_targets()
        answers = await self._scrape_agents(
            targets, self.compute_fetch_seconds(timeout_seconds, len(targets)), with_page=False
        )
        hosts = self._name_hosts(answers)
        # Thousands of containers take a second.
        invalid_fields, body = await run_in_thread(partial(self._write_legacy_lines, hosts))
        self.statistics.dropped["invalid_field"] += invalid_fields
        return body

    async def render_agents_page(self, timeout_seconds: float) -> bytes:
        """Return the metrics of all agents: those of the old exporter, then their own."""
        targets = await self.list_targets()
        seconds = self.compute_fetch_seconds(timeout_seconds, len(targets))
        answers = await self._scrape_agents(targets, seconds, with_data=self._options.has_legacy_metrics)
        own_pages = []
        hosts = self._name_hosts(answers)
        if self._options.has_legacy_metrics:
            invalid_fields, legacy_page = await run_in_thread(partial(self._build_legacy_families, hosts))
            self.statistics.dropped["invalid_field"] += invalid_fields
            own_pages.append(legacy_page)
        hostname_by_address = {host.address: host.hostname for host in hosts}
        target_pages = deque(
            _build_target_page(
                answer,
                {
                    "hostname": hostname_by_address.get(answer.target.address, answer.target.name),
                    "cluster": answer.target.cluster,
                    "node": self._choose_node_name(answer.target, hostname_by_address),
                },
            )
            for answer in answers
        )
        del answers, hosts
        own_pages += self.build_own_pages()
        return await self.merge(MergeInput(own_pages, target_pages, self.list_nodes(), fetch_seconds=seconds))

    def _write_legacy_lines(self, hosts: Iterable[LegacyHost]) -> tuple[int, bytes]:
        page = build_legacy_page(hosts, self._options.percent_scale)
        return page.invalid_fields, page.write_lines()

    def _build_legacy_families(self, hosts: Iterable[LegacyHost]) -> tuple[int, Page]:
        page = build_legacy_page(hosts, self._options.percent_scale)
        return page.invalid_fields, page.group_families()

    def _choose_node_name(self, target: AgentTarget, hostname_by_address: Mapping[str, str]) -> str:
        hostname = hostname_by_address.get(target.address)
        if target.node is not None or hostname is None:
            return target.node or ""
        return self.directory.choose_node_name(target.address, hostname)

    async def scrape_agent_pages(self, targets: Sequence[AgentTarget], seconds: float) -> list[TargetPage]:
        """Return the pages of these agents, with the labels that Prometheus gets from service discovery."""
        answers = await self._scrape_agents(targets, seconds, with_data=False)
        return [_build_target_page(answer, answer.target.labels) for answer in answers]

    def build_own_pages(self) -> list[Page]:
        """Return the metrics of this process, and of the discovery of targets."""
        return [self._process_metrics.build_page(), *(build_page() for build_page in self._page_sources)]

    def list_nodes(self) -> list[tuple[RegisteredNode, str]]:
        """Return all registered nodes with their clusters."""
        return [(node, self.directory.get_cluster(node)) for node in self.registry.list_nodes()]

    async def merge(self, content: MergeInput) -> bytes:
        """Return one page with all samples and the metrics about them."""
        # Many pages take a second, during which other requests must be answered.
        return await run_in_thread(lambda: self._merge(content))

    async def send_command(self, target: AgentTarget, path: str, seconds: float) -> FetchedPage:
        """Send a command to an agent; raise ScrapeError if it does not answer."""
        return await self._scraper.send_command(target, path, seconds)

    async def collect_agent_data(self, timeout_seconds: float) -> list[AgentAnswer]:
        """Return the current JSON of all agents that serve it."""
        targets = await self.list_targets()
        return await self._scrape_agents(targets, compute_fetch_seconds(timeout_seconds), with_page=False)

    async def _scrape_agents(
        self, targets: Sequence[AgentTarget], seconds: float, *, with_page: bool = True, with_data: bool = True
    ) -> list[AgentAnswer]:
        answers = await asyncio.gather(
            *(self._scraper.scrape(target, seconds, with_page=with_page, with_data=with_data) for target in targets)
        )
        self._remember_answers(answers)
        return answers

    def _remember_answers(self, answers: Iterable[AgentAnswer]) -> None:
        for answer in answers:
            address = answer.target.address
            previous = self.last_answers.get(address)
            if (previous is None or previous.error is None) and answer.error is not None:
                error = answer.error
                _log.warning("target failed", target=answer.target.name, reason=error.reason.value, detail=str(error))
            elif previous is not None and previous.error is not None and answer.error is None:
                _log.info("target recovered", target=answer.target.name)
            # Without its content, which takes most of the memory.
            self.last_answers[address] = replace(answer, page=None, data=None)
            if answer.data is not None:
                self.directory.remember_hostname(address, choose_hostname(answer.data, address))

    def _name_hosts(self, answers: Iterable[AgentAnswer]) -> list[LegacyHost]:
        """Return the hosts of the answers; an agent that never answered has no host name, and no lines."""
        hosts = []
        for answer in answers:
            address = answer.target.address
            hostname = self.directory.hostnames.get(address)
            if answer.data is not None:
                hostname = choose_hostname(answer.data, address)
            if hostname is not None:
                hosts.append(LegacyHost(address, hostname, answer.data))
        named = name_hosts_uniquely(hosts)
        duplicates = frozenset(host.hostname for host, old in zip(named, hosts, strict=True) if host != old)
        if duplicates - self._duplicate_hostnames:
            _log.warning("several hosts have one name", renamed=sorted(duplicates - self._duplicate_hostnames))
        self._duplicate_hostnames = duplicates
        return named

    def _merge(self, content: MergeInput) -> bytes:
        start = time.perf_counter()
        outcomes = [each.outcome for each in content.target_pages]
        merger = PageMerger()
        # First, because the first sample of a series wins: a target cannot replace what this server says about it.
        own_pages = [build_target_page(outcomes), build_node_page(content.nodes)]
        own_pages.append(build_answer_page(len(outcomes), content.fetch_seconds, self.statistics))
        for page in [*content.own_pages, *own_pages]:
            merger.add(page)
        while content.target_pages:
            target_page = content.target_pages.popleft()
            if target_page.page is not None:
                merger.add(relabel(target_page.page, target_page.outcome.labels, content.honor_labels))
        merged = merger.finish()
        conflict_families = build_conflict_families(merged)
        body = write_families(chain(drain_families(merged.families), conflict_families))
        self.statistics.record_merge(merged, time.perf_counter() - start)
        return body


def _build_target_page(answer: AgentAnswer, labels: Mapping[str, str]) -> TargetPage:
    return TargetPage(TargetOutcome(labels, answer.duration_seconds, answer.sample_count, answer.error), answer.page)
