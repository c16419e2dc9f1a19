"""The endpoints of the old receiver, to which nodes report, and those of registrations and pushed pages."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from aggregator import __version__
from aggregator.exposition.page import PageLimits
from aggregator.observability.logs import get_logger
from aggregator.registry.nodes import (
    NODE_NAME_EXPECTED,
    NodeRegistry,
    RegisteredNode,
    RegistryFullError,
    TtlLimits,
    is_node_name,
)
from aggregator.registry.reports import MalformedReportError, parse_report
from aggregator.registry.store import RegistryStore
from aggregator.registry.tokens import NodeToken
from aggregator.scrape.access import ReaderRules, RegistrationRules, is_in_networks
from aggregator.scrape.agent_scraper import parse_fetched_page
from aggregator.scrape.fetch import FetchedPage, ScrapeError, unpack_gzip
from aggregator.scrape.guard import parse_ip_address
from aggregator.scrape.pushed_pages import PushedPages, PushedPagesFullError
from aggregator.scrape.responses import (
    MAX_JSON_BODY_BYTES,
    MethodEndpoint,
    RequestRefusedError,
    build_json,
    build_text,
    read_body,
    read_peer,
    read_secret,
)
from aggregator.scrape.targets import choose_cluster
from aggregator.server.http.forwarded import IpAddress

# The prefix of the oldest agents, and that of all others.
DISCOVERY_PREFIXES = ("/discovery", "/swarm_token_discovery")
INSTALL_HINT = (
    "The agent is not distributed from here, because the request is not authenticated and the script contained the "
    "secret. Install the package and run: aggregator agent install\n"
)
_VERSION_HEADER = {"Aggregator-Version": __version__}

_log = get_logger(__name__)


@dataclass(frozen=True)
class NodeRoutesOptions:
    """Who may register and read, and what a page and a ttl may be."""

    rules: RegistrationRules
    readers: ReaderRules
    page_limits: PageLimits
    ttl_limits: TtlLimits
    default_cluster: str


class NodeRoutes:
    """Answers reports of nodes and questions about them."""

    def __init__(
        self,
        registry: NodeRegistry,
        store: RegistryStore,
        pushed_pages: PushedPages,
        options: NodeRoutesOptions,
    ) -> None:
        self._registry = registry
        self._store = store
        self._pushed_pages = pushed_pages
        self._options = options

    def list_routes(self) -> list[Route]:
        """Return the routes."""
        report = MethodEndpoint(POST=self.receive_report, DELETE=self.receive_stop)
        registration = MethodEndpoint(GET=self.get_registration, DELETE=self.delete_node)
        ui_node = MethodEndpoint(GET=self.get_node, DELETE=self.delete_node)
        return [
            *(Route(prefix + "/nodes/{name:path}", report) for prefix in DISCOVERY_PREFIXES),
            Route("/discovery/agent/{file:path}", MethodEndpoint(GET=self.get_agent_script)),
            Route("/ui/api/nodes", MethodEndpoint(GET=self.list_nodes)),
            Route("/ui/api/nodes/", MethodEndpoint(GET=self.list_nodes)),
            Route("/ui/api/nodes/{name}", ui_node),
            Route("/ui/api/nodes/{name}/containers", MethodEndpoint(GET=self.get_containers)),
            Route("/api/v1/registrations", MethodEndpoint(GET=self.list_registrations)),
            Route("/api/v1/registrations/{name}", registration),
            Route("/api/v1/registrations/{name}/page", MethodEndpoint(PUT=self.receive_page)),
        ]

    async def receive_report(self, request: Request) -> Response:
        """Register the node of a report, or update it."""
        name, peer, token = self._check_registration(request)
        ttl_seconds = _read_ttl(request)
        body = await read_body(request, MAX_JSON_BODY_BYTES)
        try:
            report = parse_report(body)
        except MalformedReportError as error:
            raise RequestRefusedError(400, str(error)) from None
        host = _choose_host(report.address, peer, token)
        try:
            is_new = self._registry.record_report(name, report, host, ttl_seconds)
        except RegistryFullError:
            raise RequestRefusedError(507, "the server registers no more nodes") from None
        if is_new:
            # A node that was told that it is registered stays so after a crash.
            await self._store.write_changes(self._registry)
        return Response(b"", 200, _VERSION_HEADER)

    async def receive_stop(self, request: Request) -> Response:
        """Mark a node as offline when its agent stops. Its host may start again, so only operators remove nodes."""
        name, _, _ = self._check_registration(request)
        if not self._registry.mark_stopped(name):
            raise RequestRefusedError(404, "the node is not registered")
        self._pushed_pages.remove(name)
        await self._store.write_changes(self._registry)
        return Response(b"", 200, _VERSION_HEADER)

    async def receive_page(self, request: Request) -> Response:
        """Store the page of a registered node that cannot be scraped."""
        name, _, _ = self._check_registration(request)
        ttl_seconds = self._options.ttl_limits.clamp(_read_ttl(request))
        if self._registry.find_node(name) is None:
            raise RequestRefusedError(404, "the node is not registered: it must report first")
        packed = await read_body(request, self._options.page_limits.max_bytes)
        try:
            is_gzip = request.headers.get("content-encoding", "").strip().lower() == "gzip"
            body = unpack_gzip(packed, self._options.page_limits.max_bytes) if is_gzip else packed
            # Programs that send files give them types such as application/octet-stream.
            content_type = request.headers.get("content-type", "")
            page_type = content_type if "openmetrics" in content_type.lower() else ""
            page = await parse_fetched_page(FetchedPage(200, body, page_type), self._options.page_limits)
            self._pushed_pages.store(name, page, len(body), ttl_seconds)
        except ScrapeError as error:
            raise RequestRefusedError(413 if error.reason == "too_large" else 400, str(error)) from None
        except PushedPagesFullError:
            raise RequestRefusedError(507, "the server keeps no more pushed pages") from None
        return Response(b"", 204, _VERSION_HEADER)

    async def get_agent_script(self, _request: Request) -> Response:
        """Refuse to hand out an agent with the shared secret."""
        return build_text(INSTALL_HINT, 410)

    async def list_nodes(self, request: Request) -> Response:
        """Return all nodes in the format of the old receiver."""
        await self._options.readers.check(request)
        return build_json([self._describe_node(node) for node in self._registry.list_nodes()])

    async def get_node(self, request: Request) -> Response:
        """Return one node in the format of the old receiver."""
        return build_json(self._describe_node(await self._find_node(request)))

    async def get_containers(self, request: Request) -> Response:
        """Return the containers of a node."""
        return build_json(_describe_containers(await self._find_node(request)))

    async def list_registrations(self, request: Request) -> Response:
        """Return all registrations."""
        await self._options.readers.check(request)
        nodes = [self._describe_registration(node) for node in self._registry.list_nodes()]
        return build_json({"registrations": nodes})

    async def get_registration(self, request: Request) -> Response:
        """Return one registration."""
        return build_json(self._describe_registration(await self._find_node(request)))

    async def delete_node(self, request: Request) -> Response:
        """Forget a node at the request of an operator."""
        if self._options.readers.is_open:
            self._check_registration(request)
        else:
            await self._options.readers.check(request)
        return await self._delete(request.path_params["name"])

    def _check_registration(self, request: Request) -> tuple[str, IpAddress, NodeToken | None]:
        """Return the name of a node that may register, the address of its agent, and the token that it has shown."""
        name, peer = request.path_params["name"], read_peer(request)
        if not is_node_name(name):
            raise RequestRefusedError(400, f'The "node name" does not match {NODE_NAME_EXPECTED}')
        token = self._options.rules.check(peer, read_secret(request), name, self._store.tokens)
        if peer is None:
            raise RequestRefusedError(400, "the address of the client is unknown")
        return name, peer, token

    async def _find_node(self, request: Request) -> RegisteredNode:
        await self._options.readers.check(request)
        node = self._registry.find_node(request.path_params["name"])
        if node is None:
            raise RequestRefusedError(404, "the node is not registered")
        return node

    async def _delete(self, name: str) -> Response:
        if not self._registry.remove_node(name):
            raise RequestRefusedError(404, "the node is not registered")
        self._pushed_pages.remove(name)
        await self._store.write_changes(self._registry)
        _log.info("node removed", node=name)
        return Response(b"", 200, _VERSION_HEADER)

    def _describe_registration(self, node: RegisteredNode) -> dict[str, Any]:
        return {
            "name": node.name,
            "cluster": self._get_cluster(node),
            "online": node.is_online,
            "host": node.host,
            "ttlSeconds": node.ttl_seconds,
            "lastReportSeconds": node.reported_at_seconds,
            "clockSkewSeconds": node.clock_skew_seconds,
            "agent": node.agent,
            "bootId": node.boot_id,
            "metrics": None
            if node.metrics is None
            else {"scheme": node.metrics.scheme, "port": node.metrics.port, "path": node.metrics.path},
            "pushesPage": self._pushed_pages.has_pushed(node.name),
            "hasToken": self._store.tokens.find_token(node.name) is not None,
        }

    def _describe_node(self, node: RegisteredNode) -> dict[str, Any]:
        health = node.health
        return {
            "id": node.name,
            "name": node.name,
            "on": node.is_online,
            "address": node.address,
            "cluster": self._get_cluster(node),
            "labels": node.labels,
            "health": {
                "time": node.local_time,
                "healthy": node.is_online,
                "state": "HEALTHY" if node.is_online else "DISCONNECTED",
                **dict.fromkeys(("swarmMemReserved", "swarmMemTotal", "swarmCpusReserved", "swarmCpusTotal"), None),
                "sysMemAvail": _shorten(health.memory_available_bytes),
                "sysMemTotal": _shorten(health.memory_total_bytes),
                "sysMemUsed": _shorten(health.memory_used_bytes),
                "sysCpuLoad": health.cpu_percent,
                "disks": {
                    mount: {"mount": mount, "used": _shorten(disk.used_bytes), "total": _shorten(disk.total_bytes)}
                    for mount, disk in health.disks.items()
                },
                "net": {
                    name: {
                        "name": name,
                        "bytesIn": _shorten(traffic.received_bytes),
                        "bytesOut": _shorten(traffic.sent_bytes),
                    }
                    for name, traffic in health.interfaces.items()
                },
            },
        }

    def _get_cluster(self, node: RegisteredNode) -> str:
        return choose_cluster(node, self._options.default_cluster)


def _describe_containers(node: RegisteredNode) -> list[Mapping[str, Any]]:
    return [{"id": each.id, "name": each.name, "image": each.image, "labels": each.labels} for each in node.containers]


def _shorten(number: float | None) -> float | int | None:
    """Return an integer for a float without a fraction: the numbers are bytes."""
    return int(number) if number is not None and number.is_integer() else number


def _read_ttl(request: Request) -> float | None:
    """Return the ttl of a request in seconds, None without one; raise RequestRefusedError if it is not a number."""
    text = request.query_params.get("ttl")
    if text is None:
        return None
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not math.isfinite(seconds):
        raise RequestRefusedError(400, "ttl must be a number of seconds")
    return seconds


def _choose_host(reported: str | None, peer: IpAddress, token: NodeToken | None) -> str:
    """Return the address at which an agent is scraped: its own, or one that it reports in the network of its token."""
    if token is not None and reported is not None:
        text = reported[1:].partition("]")[0] if reported.startswith("[") else reported.rpartition(":")[0] or reported
        address = parse_ip_address(text)
        if address is not None and is_in_networks(address, token.networks):
            return str(address)
    return str(peer)
