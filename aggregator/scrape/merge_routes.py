"""The endpoints that the older programs do not have: merged pages of any targets, and service discovery."""

import asyncio
import re
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from aggregator.exposition.write import write_families
from aggregator.scrape.access import ReaderRules
from aggregator.scrape.deadline import read_timeout
from aggregator.scrape.responses import (
    TIMEOUT_HEADER,
    MethodEndpoint,
    RequestRefusedError,
    build_json,
    build_page,
)
from aggregator.scrape.service import MergeInput, ScrapeService, TargetPage
from aggregator.scrape.targets import AgentTarget
from aggregator.util.disconnects import run_while_connected

MAX_DISCOVERED_TIMEOUT_SECONDS = 10.0
_HOST_HEADER_PATTERN = re.compile(r"([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?", re.ASCII)

# A target as Prometheus reads it from service discovery over HTTP.
TargetGroup = Mapping[str, Any]


class PodJobs(Protocol):
    """The jobs of pods, which Kubernetes lists."""

    @property
    def is_complete(self) -> bool:
        """Whether all pods were listed once."""

    async def scrape_jobs(self, jobs: Sequence[str] | None, seconds: float) -> list[TargetPage]:
        """Return the pages of all pods of these jobs, of all jobs for None."""

    def list_target_groups(self, jobs: Sequence[str] | None) -> list[TargetGroup]:
        """Return the pods of these jobs for service discovery."""

    def describe_targets(self) -> list[dict[str, Any]]:
        """Return the last results of all pods."""

    async def answer_job(self, request: Request, job: str | None) -> Response:
        """Answer a request of the old Kubernetes aggregator; `job` is None if it names none."""


@dataclass(frozen=True)
class Selection:
    """The targets that a request asks for; `nodes` are the registered nodes, and the server itself."""

    agents: bool
    nodes: bool
    jobs: tuple[str, ...] | None
    names: frozenset[str]

    @property
    def is_empty(self) -> bool:
        """Whether nothing is asked for."""
        return not self.agents and not self.nodes and self.jobs == () and not self.names

    @classmethod
    def read(cls, request: Request) -> "Selection":
        """Return the selection of a request; raise RequestRefusedError if it has none."""
        parameters = request.query_params
        has_all = "all" in parameters
        selection = cls(
            has_all or "agents" in parameters,
            has_all or "agents" in parameters or "nodes" in parameters,
            None if has_all else tuple(dict.fromkeys(parameters.getlist("job"))),
            frozenset(parameters.getlist("target")),
        )
        if selection.is_empty:
            raise RequestRefusedError(400, "job, target, agents, nodes or all is required")
        return selection


class MergeRoutes:
    """Answers requests for merged pages, for targets and for service discovery."""

    def __init__(
        self, service: ScrapeService, readers: ReaderRules, timeout_seconds: float, pods: PodJobs | None = None
    ) -> None:
        self._service = service
        self._readers = readers
        self._timeout_seconds = timeout_seconds
        self._pods = pods

    def list_routes(self) -> list[Route]:
        """Return the routes."""
        return [
            Route("/scrape", MethodEndpoint(GET=self._guard(self.scrape))),
            Route("/sd/agents", MethodEndpoint(GET=self._guard(self.discover_agents))),
            Route("/sd/pods", MethodEndpoint(GET=self._guard(self.discover_pods))),
            Route("/api/v1/targets", MethodEndpoint(GET=self._guard(self.list_targets))),
        ]

    def _guard(self, handler: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
        async def guarded(request: Request) -> Response:
            await self._readers.check(request)
            return await handler(request)

        return guarded

    async def scrape(self, request: Request) -> Response:
        """Return one page with the metrics of all selected targets."""
        selection = Selection.read(request)
        if request.query_params.get("plain") == "true":
            return build_page(
                request, await run_while_connected(request.receive, self._render_plain(request, selection))
            )
        honor_labels = request.query_params.get("honor") == "true"
        timeout_seconds = read_timeout(request.headers.get(TIMEOUT_HEADER), self._timeout_seconds)
        shared = self._service.share(
            ("scrape", selection, honor_labels, timeout_seconds),
            lambda: self._render(selection, timeout_seconds, honor_labels=honor_labels),
        )
        return build_page(request, await run_while_connected(request.receive, shared))

    async def discover_agents(self, request: Request) -> Response:
        """Return all agents as targets for Prometheus."""
        targets = [target for target in await self._service.list_targets() if _is_discoverable(target)]
        timeout = _read_discovered_timeout(request)
        if request.query_params.get("via") == "self":
            return build_json([_build_own_group(request, target, timeout) for target in targets])
        return build_json([_build_group(target, timeout) for target in targets if target.host is not None])

    async def discover_pods(self, request: Request) -> Response:
        """Return the pods of all jobs, or of those that the request names, as targets for Prometheus."""
        jobs = request.query_params.getlist("job") or None
        if self._pods is not None and not self._pods.is_complete:
            # Prometheus keeps its targets after an error, and drops those that a successful answer lacks.
            raise RequestRefusedError(503, "the pods are not listed yet")
        return build_json(self._pods.list_target_groups(jobs) if self._pods is not None else [])

    async def list_targets(self, _request: Request) -> Response:
        """Return the last result of each target."""
        targets = [self._describe_target(target) for target in await self._service.list_targets()]
        if self._pods is not None:
            targets += self._pods.describe_targets()
        return build_json({"targets": targets})

    async def _render(self, selection: Selection, timeout_seconds: float, *, honor_labels: bool) -> bytes:
        targets = [
            target
            for target in await self._service.list_targets()
            if selection.agents or target.name in selection.names
        ]
        pods = self._pods if selection.jobs != () else None
        pod_count = len(pods.list_target_groups(selection.jobs)) if pods is not None else 0
        seconds = self._service.compute_fetch_seconds(timeout_seconds, len(targets) + pod_count)
        agent_pages, pod_pages = await asyncio.gather(
            self._service.scrape_agent_pages(targets, seconds),
            pods.scrape_jobs(selection.jobs, seconds) if pods is not None else _scrape_nothing(),
        )
        nodes = self._service.list_nodes() if selection.nodes else []
        own_pages = self._service.build_own_pages() if selection.nodes else []
        pages = deque([*agent_pages, *pod_pages])
        # The merge frees the pages one by one.
        del agent_pages, pod_pages
        return await self._service.merge(MergeInput(own_pages, pages, nodes, honor_labels, seconds))

    async def _render_plain(self, request: Request, selection: Selection) -> bytes:
        """Return the page of one agent as it is; an agent that fails is an error, so that its `up` is 0."""
        timeout_seconds = read_timeout(request.headers.get(TIMEOUT_HEADER), self._timeout_seconds)
        targets = [target for target in await self._service.list_targets() if {target.name} == selection.names]
        if len(targets) != 1:
            raise RequestRefusedError(404, "plain=true requires the name of one agent as target")
        seconds = self._service.compute_fetch_seconds(timeout_seconds, 1)
        (target_page,) = await self._service.scrape_agent_pages(targets, seconds)
        if target_page.page is None:
            error = target_page.outcome.error
            raise RequestRefusedError(502, f"the agent was not scraped: {error.reason.value if error else 'no page'}")
        return write_families(target_page.page.families)

    def _describe_target(self, target: AgentTarget) -> dict[str, Any]:
        answer = self._service.last_answers.get(target.address)
        labels = {name: value for name, value in target.labels.items() if value}
        if answer is None:
            return {"name": target.name, "address": target.address, "labels": labels, "up": None}
        return {
            "name": target.name,
            "address": target.address,
            "labels": labels,
            "up": answer.error is None,
            "reason": None if answer.error is None else answer.error.reason.value,
            "detail": None if answer.error is None else str(answer.error),
            "lastScrapeSeconds": round(answer.scraped_at_seconds, 3),
            "durationSeconds": round(answer.duration_seconds, 6),
            "samples": answer.sample_count,
        }


async def _scrape_nothing() -> list[TargetPage]:
    return []


def _is_discoverable(target: AgentTarget) -> bool:
    return target.host is not None or target.is_pushed


def _read_discovered_timeout(request: Request) -> float | None:
    """Return the timeout for targets that a request asks for. Prometheus drops targets if it exceeds the interval."""
    text = request.query_params.get("timeout")
    if text is None:
        return None
    return min(read_timeout(text, MAX_DISCOVERED_TIMEOUT_SECONDS), MAX_DISCOVERED_TIMEOUT_SECONDS)


def _build_labels(target: AgentTarget, timeout_seconds: float | None) -> dict[str, str]:
    labels = {name: value for name, value in target.labels.items() if value and name != "instance"}
    return labels | ({} if timeout_seconds is None else {"__scrape_timeout__": f"{timeout_seconds:g}s"})


def _build_group(target: AgentTarget, timeout_seconds: float | None) -> TargetGroup:
    """Return the target at its own address."""
    host = f"[{target.host}]" if target.host is not None and ":" in target.host else target.host
    labels = _build_labels(target, timeout_seconds)
    return {
        "targets": [f"{host}:{target.port}"],
        "labels": labels | {"__scheme__": target.scheme, "__metrics_path__": target.metrics_path},
    }


def _build_own_group(request: Request, target: AgentTarget, timeout_seconds: float | None) -> TargetGroup:
    """Return the target at our address, which scrapes it."""
    own_address = request.headers.get("host", "")
    if not _HOST_HEADER_PATTERN.fullmatch(own_address):
        raise RequestRefusedError(400, "the Host header is not an address")
    labels = _build_labels(target, timeout_seconds)
    return {
        "targets": [own_address],
        "labels": labels
        | {
            "instance": target.address,
            "__scheme__": request.url.scheme,
            "__metrics_path__": "/scrape",
            "__param_target": target.name,
            "__param_plain": "true",
        },
    }
