"""The scrape server as a process: creates all parts, and starts and stops them in order."""

import asyncio
import socket
import ssl
import time
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack, closing
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import uvloop
from pydantic import SecretStr
from starlette.types import ASGIApp

from aggregator import __version__
from aggregator.app.signals import create_stop_event, ignore_signals
from aggregator.app.supervision import wait_until_stopped
from aggregator.errors import ComponentStoppedError
from aggregator.exposition.page import PageLimits
from aggregator.observability.logs import get_logger
from aggregator.registry.agents_file import AgentsFile
from aggregator.registry.nodes import NodeRegistry, TtlLimits
from aggregator.registry.store import RegistryStore, read_known_hostnames
from aggregator.scrape.access import ReaderRules, RegistrationRules
from aggregator.scrape.agent_routes import AgentRoutes, AgentRoutesOptions
from aggregator.scrape.agent_scraper import AgentScraper
from aggregator.scrape.app import RouteGroups, ScrapeReadiness, create_scrape_app
from aggregator.scrape.deadline import HangHistory
from aggregator.scrape.fetch import PageFetcher
from aggregator.scrape.guard import AddressGuard
from aggregator.scrape.kubernetes_api import SERVICE_ACCOUNT_DIRECTORY, KubernetesApi, KubernetesConfig
from aggregator.scrape.merge_routes import MergeRoutes
from aggregator.scrape.node_routes import NodeRoutes, NodeRoutesOptions
from aggregator.scrape.pod_jobs import KubernetesPodJobs, PodJobsOptions, PodScraper, build_discovery_page
from aggregator.scrape.pod_targets import PodRules
from aggregator.scrape.pods import DiscoveryTimes, PodDiscovery
from aggregator.scrape.pushed_pages import PushedPages
from aggregator.scrape.service import AnswerOptions, ScrapeService
from aggregator.scrape.service_account import ServiceAccount
from aggregator.scrape.targets import AgentDirectory, DirectoryOptions
from aggregator.server.http.protocol import RequestLimits
from aggregator.server.http.server import HttpServer, HttpServerOptions, open_listener
from aggregator.server.tls import CertificateReloader
from aggregator.settings.scrape import ScrapeSettings
from aggregator.settings.types import is_loopback
from aggregator.util import runtime

if TYPE_CHECKING:
    from aggregator.server.auth.jwks import KeySource

# Between reporting not ready and closing the listeners, so that load balancers notice in time.
DRAIN_DELAY_SECONDS = 0.5
BODY_TIMEOUT_SECONDS = 10.0
_KNOWN_HOSTNAMES_FILE = ".known_hostnames"

_log = get_logger(__name__)


def run_scrape_server(settings: ScrapeSettings) -> None:
    """Serve until a stop signal arrives.

    Raises PortInUseError if a port is not available, RegistryError if the registry file is not usable, KubernetesError
    if the credentials for Kubernetes cannot be read, ComponentStoppedError if a component exits unexpectedly.
    """
    runtime.tune_interpreter()
    runtime.tune_malloc()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve_until_stopped(settings))


async def _serve_until_stopped(settings: ScrapeSettings) -> None:
    stop = create_stop_event()
    with closing(RegistryStore(settings.REGISTRY_FILE)) as store:
        registry = NodeRegistry(store.stored.nodes, build_ttl_limits(settings))
        async with AsyncExitStack() as stack:
            listeners = [open_listener("SCRAPE", settings.SCRAPE_HOST, port) for port in settings.SCRAPE_PORT]
            guard = AddressGuard(settings.allowed_networks, [each.getsockname()[1] for each in listeners])
            fetcher = await stack.enter_async_context(build_fetcher(settings, guard))
            readiness = ScrapeReadiness()
            discovery = await open_pod_discovery(settings, stack)
            readers, keys = build_reader_rules(settings)
            groups = build_route_groups(settings, ScrapeParts(store, registry, guard, fetcher, readers, discovery))
            app = create_scrape_app(groups, readiness, settings.trusted_proxies)
            servers = [_build_server(settings, app, listener) for listener in listeners]
            _log_start(settings, store, listeners)
            tasks = [asyncio.create_task(store.run(registry), name="registry")]
            if discovery is not None:
                tasks.append(asyncio.create_task(discovery.run(), name="pod discovery"))
            if keys is not None:
                tasks.append(asyncio.create_task(keys.run(), name="keys"))
            failed_names = await _run_servers(servers, tasks, stop)
            _log.info("stopping", grace_seconds=settings.GRACE)
            readiness.is_stopping = True
            await asyncio.sleep(min(DRAIN_DELAY_SECONDS, settings.GRACE / 2))
            await asyncio.gather(*(server.stop() for server in servers), return_exceptions=bool(failed_names))
        await store.write_changes(registry)
    _log.info("stopped")
    ignore_signals()
    if failed_names:
        raise ComponentStoppedError(", ".join(failed_names))


async def _run_servers(
    servers: Sequence[HttpServer], background_tasks: "Sequence[asyncio.Task[None]]", stop: asyncio.Event
) -> list[str]:
    """Serve until the stop signal; return the names of parts that have failed."""
    for server in servers:
        await server.start()
    server_tasks = [task for server in servers for task in server.tasks]
    failed_names = await wait_until_stopped(stop, [*background_tasks, *server_tasks])
    for task in background_tasks:
        task.cancel()
    await asyncio.wait(background_tasks)
    return failed_names


def build_ttl_limits(settings: ScrapeSettings) -> TtlLimits:
    """Return the limits of a ttl."""
    return TtlLimits(settings.MIN_TTL, settings.MAX_TTL, settings.DEFAULT_TTL, settings.FORGET_AFTER)


def build_fetcher(settings: ScrapeSettings, guard: AddressGuard) -> PageFetcher:
    """Return the fetcher of all targets."""
    ssl_context = ssl.create_default_context(cafile=settings.AGENTS_CA_FILE)
    return PageFetcher(guard, settings.MAX_PAGE_BYTES, settings.SCRAPE_CONCURRENCY, ssl_context)


def build_reader_rules(settings: ScrapeSettings) -> "tuple[ReaderRules, KeySource | None]":
    """Return who may read, and the keys of issuers, None if no issuer is set."""
    token = _reveal(settings.SCRAPE_TOKEN)
    if not settings.requires_tokens:
        return ReaderRules(token), None
    from aggregator.server.auth.guard import TokenGuard, build_access_policy, build_key_source  # noqa: PLC0415 - 20 MiB

    keys = build_key_source(settings)
    guard = TokenGuard(keys, build_access_policy(settings)) if keys is not None else None
    return ReaderRules(token, guard), keys


@dataclass(frozen=True)
class ScrapeParts:
    """What the endpoints use; `discovery` is None without Kubernetes."""

    store: RegistryStore
    registry: NodeRegistry
    guard: AddressGuard
    fetcher: PageFetcher
    readers: ReaderRules = field(default_factory=ReaderRules)
    discovery: PodDiscovery | None = None
    clock: Callable[[], float] = time.monotonic
    hangs: HangHistory = field(default_factory=HangHistory)


def build_route_groups(settings: ScrapeSettings, parts: ScrapeParts) -> RouteGroups:
    """Return the endpoints."""
    store, registry, discovery = parts.store, parts.registry, parts.discovery
    agents_file, pushed_pages = AgentsFile(settings.AGENTS_FILE), PushedPages(parts.clock)
    # What is wrong with the file is in the log at the start, not at the first scrape.
    agents_file.read_agents()
    limits = PageLimits(settings.MAX_PAGE_BYTES, settings.MAX_PAGE_SAMPLES)
    directory = AgentDirectory(
        agents_file,
        registry,
        store,
        parts.guard,
        pushed_pages,
        DirectoryOptions(_reveal(settings.AGENTS_TOKEN), settings.CLUSTER_NAME),
    )
    for address, hostname in read_known_hostnames(Path(settings.AGENTS_FILE).with_name(_KNOWN_HOSTNAMES_FILE)):
        if address not in directory.hostnames:
            directory.remember_hostname(address, hostname)
    service = ScrapeService(
        directory,
        AgentScraper(parts.fetcher, limits, pushed_pages, parts.hangs, parts.clock),
        registry,
        AnswerOptions(
            settings.LEGACY_METRICS == "on",
            int(settings.LEGACY_PERCENT_SCALE),
            settings.SCRAPE_REUSE,
        ),
        () if discovery is None else (partial(build_discovery_page, discovery),),
    )
    rules = RegistrationRules(_reveal(settings.DISCOVERY_SECRET), settings.register_networks, settings.trusted_proxies)
    readers = parts.readers
    agent_options = AgentRoutesOptions(rules, readers, settings.SCRAPE_TIMEOUT, settings.AGENT_COMMANDS == "on")
    node_options = NodeRoutesOptions(rules, readers, limits, build_ttl_limits(settings), settings.CLUSTER_NAME)
    pods: KubernetesPodJobs | None = None
    if discovery is not None:
        account = ServiceAccount(SERVICE_ACCOUNT_DIRECTORY) if is_in_cluster(settings) else None
        pod_options = PodJobsOptions(readers, settings.SCRAPE_TIMEOUT, settings.CLUSTER_NAME)
        pods = KubernetesPodJobs(discovery, PodScraper(parts.fetcher, limits, account), service, pod_options)
    return RouteGroups(
        AgentRoutes(service, store, agents_file, agent_options),
        NodeRoutes(registry, store, pushed_pages, node_options),
        MergeRoutes(service, readers, settings.SCRAPE_TIMEOUT, pods),
        service.statistics.record_request,
        pods,
    )


async def open_pod_discovery(settings: ScrapeSettings, stack: AsyncExitStack) -> PodDiscovery | None:
    """Return the discovery of pods, which the stack closes, None without Kubernetes.

    Raises KubernetesError if the credentials cannot be read.
    """
    is_inside = is_in_cluster(settings)
    if settings.KUBERNETES == "off" or (settings.KUBERNETES == "auto" and not is_inside):
        return None
    environment = {
        "KUBERNETES_SERVICE_HOST": settings.KUBERNETES_SERVICE_HOST or "",
        "KUBERNETES_SERVICE_PORT": settings.KUBERNETES_SERVICE_PORT or "",
    }
    directory = SERVICE_ACCOUNT_DIRECTORY if is_inside else None
    api = await stack.enter_async_context(KubernetesApi(KubernetesConfig(environment, directory, settings.KUBECONFIG)))
    rules = PodRules(settings.POD_ANNOTATIONS == "on", frozenset(settings.SEND_TOKEN_NAMESPACES))
    times = DiscoveryTimes(list_interval=settings.CACHE_UPDATE_INTERVAL)
    return PodDiscovery(api, rules, settings.NAMESPACES, times)


def is_in_cluster(settings: ScrapeSettings) -> bool:
    """Return whether this is a pod with a service account; a kubeconfig file has precedence."""
    has_account = settings.KUBERNETES_SERVICE_HOST is not None and (SERVICE_ACCOUNT_DIRECTORY / "token").exists()
    return has_account and settings.KUBECONFIG is None


def _reveal(secret: SecretStr | None) -> str | None:
    return secret.get_secret_value() if secret is not None else None


def _build_server(settings: ScrapeSettings, app: ASGIApp, listener: socket.socket) -> HttpServer:
    reloader = CertificateReloader("scrape", settings.tls) if settings.tls is not None else None
    limits = RequestLimits(max_body_bytes=settings.MAX_PAGE_BYTES, body_timeout_seconds=BODY_TIMEOUT_SECONDS)
    return HttpServer(app, listener, settings.GRACE, HttpServerOptions(_limit_connections(settings), limits, reloader))


def _limit_connections(settings: ScrapeSettings) -> int:
    """Return the connections that each port accepts; targets need as many descriptors as clients."""
    descriptor_limit = runtime.raise_descriptor_limit()
    if descriptor_limit is None:
        return settings.MAX_CONNECTIONS
    return min(settings.MAX_CONNECTIONS, runtime.compute_max_connections(descriptor_limit))


def _log_start(settings: ScrapeSettings, store: RegistryStore, listeners: Sequence[socket.socket]) -> None:
    for listener in listeners:
        _log.info(
            "listening",
            server="scrape",
            host=settings.SCRAPE_HOST,
            port=listener.getsockname()[1],
            tokens=settings.SCRAPE_TOKEN is not None or settings.requires_tokens,
            tls=settings.tls is not None,
            client_certificates=settings.SCRAPE_TLS_CLIENT_CA is not None,
            version=__version__,
        )
    rules = RegistrationRules(_reveal(settings.DISCOVERY_SECRET), settings.register_networks)
    if rules.is_open(store.tokens):
        _log.warning(
            "registration without a secret",
            reason="every private address can register agents and nodes",
            advice="set DISCOVERY_SECRET or REGISTER_FROM, or add tokens",
        )
    has_secret = settings.SCRAPE_TOKEN is not None or settings.requires_tokens
    if not has_secret and settings.SCRAPE_TLS_CLIENT_CA is None and not is_loopback(settings.SCRAPE_HOST):
        _log.warning(
            "open to the network",
            reason="other machines can read all metrics without a token",
            advice="set SCRAPE_TOKEN, ISSUER, or SCRAPE_HOST=127.0.0.1",
        )
