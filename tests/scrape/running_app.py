"""The application of the scrape server on a real port, and agents that tests script."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path

import aiohttp
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send
from yarl import URL

from aggregator.registry.nodes import NodeRegistry
from aggregator.registry.store import RegistryStore
from aggregator.scrape.app import ScrapeReadiness, create_scrape_app
from aggregator.scrape.deadline import HangHistory
from aggregator.scrape.guard import AddressGuard
from aggregator.scrape.process import (
    ScrapeParts,
    build_fetcher,
    build_reader_rules,
    build_route_groups,
    build_ttl_limits,
    open_pod_discovery,
)
from aggregator.server.http.server import HttpServer, open_listener
from aggregator.settings.scrape import ScrapeSettings
from aggregator.settings.settings import load_settings
from tests.registry.clocks import MovedClock

# Of targets that hung three times: less than any time that a test gives them.
SHORTENED_SECONDS = 0.02
TEXT = "text/plain; version=0.0.4; charset=utf-8"


@dataclass(frozen=True)
class Reply:
    """A response: status, text, and header fields by lower-case names."""

    status: int
    text: str
    headers: dict[str, str]


@dataclass
class RunningScrapeApp:
    """A running application, with its parts and a client."""

    url: str
    folder: Path
    store: RegistryStore
    registry: NodeRegistry
    readiness: ScrapeReadiness
    moved: MovedClock
    session: aiohttp.ClientSession

    async def request(
        self, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None
    ) -> Reply:
        """Send one request; the path is sent as it is."""
        async with self.session.request(
            method,
            URL(self.url + path, encoded=True),
            data=None if body is None else BytesIO(body),
            headers=headers,
            allow_redirects=False,
        ) as response:
            return Reply(
                response.status, await response.text(), {name.lower(): text for name, text in response.headers.items()}
            )

    async def get(self, path: str, headers: dict[str, str] | None = None) -> str:
        """Return the body of a response with status 200."""
        reply = await self.request("GET", path, headers=headers)
        assert reply.status == 200, reply
        return reply.text

    def write_list(self, *entries: str) -> None:
        """Write the list of agents."""
        (self.folder / "agents.yaml").write_text("server-ips:\n" + "".join(f"- '{entry}'\n" for entry in entries))


@asynccontextmanager
async def run_scrape_app(folder: Path, **variables: str) -> AsyncIterator[RunningScrapeApp]:
    """Run the application with these settings; answers are not used again unless a setting says so."""
    settings = load_settings(
        {
            "AGENTS_FILE": str(folder / "agents.yaml"),
            "REGISTRY_FILE": str(folder / "registry.sqlite"),
            "SCRAPE_REUSE": "0",
            "SCRAPE_HOST": "127.0.0.1",
            **variables,
        },
        ScrapeSettings,
    )
    moved = MovedClock()
    store = RegistryStore(settings.REGISTRY_FILE, moved.clock.monotonic_seconds)
    registry = NodeRegistry(store.stored.nodes, build_ttl_limits(settings), moved.clock)
    listener = open_listener("SCRAPE", "127.0.0.1", 0)
    port = listener.getsockname()[1]
    guard, readiness = AddressGuard(settings.allowed_networks, [port]), ScrapeReadiness()
    async with (
        build_fetcher(settings, guard) as fetcher,
        aiohttp.ClientSession(auto_decompress=True) as session,
        AsyncExitStack() as stack,
    ):
        discovery = await open_pod_discovery(settings, stack)
        tasks = [] if discovery is None else [asyncio.create_task(discovery.run())]
        readers, _ = build_reader_rules(settings)
        clock = moved.clock.monotonic_seconds
        hangs = HangHistory(shortened_seconds=SHORTENED_SECONDS)
        parts = ScrapeParts(store, registry, guard, fetcher, readers, discovery, clock, hangs)
        groups = build_route_groups(settings, parts)
        server = HttpServer(create_scrape_app(groups, readiness, settings.trusted_proxies), listener, 0.1)
        await server.start()
        try:
            yield RunningScrapeApp(f"http://127.0.0.1:{port}", folder, store, registry, readiness, moved, session)
        finally:
            await session.close()
            await server.stop()
            for task in tasks:
                task.cancel()
                await asyncio.wait([task])
            store.close()


@dataclass
class ScriptedAgent:
    """An agent: what it answers by path, and the requests that it got."""

    answers: Mapping[str, Response | Callable[[Request], Response]]
    address: str = ""
    requests: list[Request] = field(default_factory=list)
    # Paths that never answer.
    hanging_paths: set[str] = field(default_factory=set)
    hanging_requests: int = 0

    @property
    def port(self) -> int:
        """The port of the agent."""
        return int(self.address.rpartition(":")[2])

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        request = Request(scope, receive)
        self.requests.append(request)
        if request.url.path in self.hanging_paths:
            self.hanging_requests += 1
            while (await receive())["type"] != "http.disconnect":
                pass
            self.hanging_requests -= 1
            return
        answer = self.answers.get(request.url.path, Response("Not Found", 404))
        response = answer if isinstance(answer, Response) else answer(request)
        await response(scope, receive, send)


@asynccontextmanager
async def run_agent_app(
    answers: Mapping[str, Response | Callable[[Request], Response]] | None = None,
) -> AsyncIterator[ScriptedAgent]:
    """Run an agent on 127.0.0.1."""
    agent = ScriptedAgent(answers or {})
    app: ASGIApp = agent
    listener = open_listener("AGENT", "127.0.0.1", 0)
    agent.address = f"127.0.0.1:{listener.getsockname()[1]}"
    server = HttpServer(app, listener, 0.1)
    await server.start()
    try:
        yield agent
    finally:
        await asyncio.shield(server.stop())


def build_text_page(text: str) -> Response:
    """Return a response with a page of metrics."""
    return Response(text, headers={"Content-Type": TEXT})
