"""The endpoints of the old Docker exporter: the page of all agents, the list of agents, and commands."""

import re
from collections import defaultdict
from dataclasses import dataclass
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from aggregator.observability.logs import get_logger
from aggregator.registry.agents_file import AgentsFile, format_agent_address, parse_port
from aggregator.registry.store import RegistryStore
from aggregator.scrape.access import ReaderRules, RegistrationRules
from aggregator.scrape.deadline import read_timeout
from aggregator.scrape.fetch import ScrapeError
from aggregator.scrape.responses import (
    MAX_JSON_BODY_BYTES,
    TIMEOUT_HEADER,
    MethodEndpoint,
    build_page,
    build_text,
    read_body,
    read_peer,
    read_secret,
)
from aggregator.scrape.service import ScrapeService
from aggregator.scrape.targets import AgentTarget
from aggregator.scrape.threads import run_in_thread
from aggregator.util.disconnects import run_while_connected

OLD_LAYOUT = "2023"
COMMANDS = ("start", "stop", "pause", "unpause", "restart", "kill")
COMMAND_TIMEOUT_SECONDS = 60.0
_CONTAINER_NAME_PATTERN = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]+", re.ASCII)

_log = get_logger(__name__)


@dataclass(frozen=True)
class AgentRoutesOptions:
    """Who may register, who may read, and whether commands are passed on."""

    rules: RegistrationRules
    readers: ReaderRules
    scrape_timeout_seconds: float
    allows_commands: bool = False


class AgentRoutes:
    """Answers the requests of the old Docker exporter."""

    def __init__(
        self, service: ScrapeService, store: RegistryStore, agents_file: AgentsFile, options: AgentRoutesOptions
    ) -> None:
        self._service = service
        self._store = store
        self._agents_file = agents_file
        self._options = options

    def list_routes(self) -> list[Route]:
        """Return the routes."""
        command = MethodEndpoint(POST=self.send_commands)
        return [
            Route("/add-agent", MethodEndpoint(POST=self.add_agent)),
            *([Route("/command/{command}", command)] if self._options.allows_commands else []),
        ]

    async def get_root(self, _request: Request) -> Response:
        """Report that the server runs, as the old aggregator."""
        return build_text("OK\n")

    async def get_metrics(self, request: Request) -> Response:
        """Return the metrics of all agents."""
        await self._options.readers.check(request)
        seconds = read_timeout(request.headers.get(TIMEOUT_HEADER), self._options.scrape_timeout_seconds)
        is_old_layout = request.query_params.get("layout") == OLD_LAYOUT
        render = self._service.render_legacy_page if is_old_layout else self._service.render_agents_page
        shared = self._service.share(("metrics", is_old_layout, seconds), lambda: render(seconds))
        return build_page(request, await run_while_connected(request.receive, shared))

    async def add_agent(self, request: Request) -> Response:
        """Add the sender to the list of agents."""
        peer = read_peer(request)
        self._options.rules.check(peer, read_secret(request), None, self._store.tokens)
        port_text = request.query_params.get("port")
        port = None if port_text is None else parse_port(port_text)
        if peer is None or (port_text is not None and port is None):
            return build_text("port must be a number from 1 to 65535\n", 400)
        address = format_agent_address(peer, port)
        if address not in {agent.text for agent in await self._service.directory.read_agents()}:
            async with self._store.adding_agent(address):
                await run_in_thread(lambda: self._agents_file.add_agent(address))
            _log.info("agent added", address=address)
        return build_text(f"Successfully added agent {address}\n")

    async def send_commands(self, request: Request) -> Response:
        """Pass a command on to the agents of the named containers."""
        self._options.readers.check_command(request)
        command = request.path_params["command"]
        text = (await read_body(request, MAX_JSON_BODY_BYTES)).decode("utf-8", "replace").strip()
        names = [name.strip() for name in text.removeprefix("{").removesuffix("}").split(",")]
        targets_by_name = await self._find_containers()
        results = [await self._send_command(command, name, targets_by_name.get(name, [])) for name in names]
        lines = "".join(f"  {name} -> {result}\n" for name, result in zip(names, results, strict=True))
        return build_text(lines, 200 if set(results) == {"success"} else 500)

    async def _find_containers(self) -> dict[str, list[AgentTarget]]:
        """Return the agents that have a container of each name now."""
        targets_by_name: defaultdict[str, list[AgentTarget]] = defaultdict(list)
        for answer in await self._service.collect_agent_data(self._options.scrape_timeout_seconds):
            containers = answer.data.get("containers") if answer.data is not None else None
            for container in containers if isinstance(containers, list) else []:
                name = container.get("name") if isinstance(container, dict) else None
                if isinstance(name, str) and answer.target not in targets_by_name[name]:
                    targets_by_name[name].append(answer.target)
        return targets_by_name

    async def _send_command(self, command: str, name: str, targets: list[AgentTarget]) -> str:
        """Return `success`, or why the command failed."""
        if command not in COMMANDS:
            return "failed: Invalid Command"
        if not targets or not _CONTAINER_NAME_PATTERN.fullmatch(name):
            return "couldn't find ip address"
        if len(targets) > 1:
            addresses = ", ".join(target.address for target in targets)
            return f"failed: several hosts have a container of this name: {addresses}"
        path = f"/command/{command}?container={quote(name, safe='')}"
        try:
            answer = await self._service.send_command(targets[0], path, COMMAND_TIMEOUT_SECONDS)
        except ScrapeError as error:
            return f"failed: {error}"
        _log.info("command sent", command=command, container=name, agent=targets[0].address, status=answer.status)
        if 200 <= answer.status < 300:
            return "success"
        reason = " ".join(answer.body.decode("utf-8", "replace").split())
        return f"failed: {reason or f'HTTP status {answer.status}'}"
