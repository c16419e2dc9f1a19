"""Clients of the scrape server that register nodes and agents, and that read what it has registered."""

import http.client
import json
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from aggregator.registry.store import WRITE_INTERVAL_SECONDS
from tests.soak.hosts_setup import LISTED, SECRET_HEADERS, HostsSetup
from tests.soak.results import SoakResults
from tests.support.http_client import HOST, ClientResponse, send_request

PAUSE_SECONDS = 0.25
MAX_NODES, MAX_DEAD_AGENTS = 200, 10
# No server listens on the ports of these agents.
FIRST_DEAD_PORT = 101
HEARTBEAT_NODE = "heartbeat"
# What a crash may lose, and the time for the write itself.
MAX_LOST_SECONDS = WRITE_INTERVAL_SECONDS + 1.0


@dataclass
class ScrapeServerClient:
    """Sends requests to the scrape server. A failure is a problem unless the server was down meanwhile."""

    setup: HostsSetup
    results: SoakResults

    def request(self, kind: str, path: str, method: str = "GET", body: bytes | None = None) -> ClientResponse | None:
        """Return the response, None if there is none."""
        start, server = time.time(), self.setup.scrape_server.outages
        try:
            response = send_request(self.setup.scrape_port, path, method, SECRET_HEADERS, body)
        except (OSError, http.client.HTTPException) as error:
            is_down = server.overlaps(start, time.time())
            self.results.record(kind, "server down" if is_down else "failed", "" if is_down else f"{path} {error!r}")
            return None
        return response

    def request_ok(self, kind: str, path: str, method: str = "GET", body: bytes | None = None) -> ClientResponse | None:
        """Return a response with status 200, None if there is none; any other status is a problem."""
        response = self.request(kind, path, method, body)
        if response is None:
            return None
        problem = "" if response.status == 200 else f"{path} {response.status} {response.body[:200]!r}"
        self.results.record(kind, str(response.status), problem)
        return None if problem else response


@dataclass
class Registrar:
    """Registers nodes and agents, and checks that whatever was accepted is there after each crash."""

    client: ScrapeServerClient
    rng: random.Random
    # The times at which the reports of one node were accepted; its label has the index.
    heartbeats: list[float] = field(default_factory=list)
    nodes: set[str] = field(default_factory=set)
    agents: set[str] = field(default_factory=set)
    checked_generation: int = 0

    def __post_init__(self) -> None:
        setup = self.client.setup
        self.nodes.update(agent.node for agent in setup.agents if agent.kind != LISTED)
        self.agents.update(agent.address for agent in setup.agents if agent.kind == LISTED)

    def run_once(self) -> None:
        """Send a report, and sometimes register something; check everything after a crash."""
        server = self.client.setup.scrape_server
        if server.generation != self.checked_generation and not server.outages.is_down:
            self._check_after_crash()
        self._send_heartbeat()
        if self.rng.random() < 0.3 and len(self.nodes) < MAX_NODES:
            name = f"node-{len(self.nodes)}"
            if self.client.request_ok("registration", f"/discovery/nodes/{name}?ttl=60", "POST", b"{}"):
                self.nodes.add(name)
        if self.rng.random() < 0.1 and len(self.agents) <= MAX_DEAD_AGENTS:
            port = FIRST_DEAD_PORT + len(self.agents)
            if self.client.request_ok("add-agent", f"/add-agent?port={port}", "POST", b""):
                self.agents.add(f"{HOST}:{port}")
        self.check_agents_file()

    def _send_heartbeat(self) -> None:
        body = json.dumps({"labels": {"sequence": str(len(self.heartbeats))}}).encode()
        if self.client.request_ok("heartbeat", f"/discovery/nodes/{HEARTBEAT_NODE}?ttl=60", "POST", body):
            self.heartbeats.append(time.time())

    def _check_after_crash(self) -> None:
        """Check the nodes, and the heartbeats that are older than the time that a crash may lose."""
        server = self.client.setup.scrape_server
        generation, crashes = server.generation, server.outages.intervals
        response = self.client.request_ok("nodes after a start", "/ui/api/nodes/")
        if response is None:
            return
        self.checked_generation = generation
        nodes = {node["name"]: node for node in response.json()}
        self._report_lost("nodes", self.nodes - nodes.keys())
        certain = sum(accepted < crashes[-1][0] - MAX_LOST_SECONDS for accepted in self.heartbeats)
        if certain:
            sequence = int(nodes.get(HEARTBEAT_NODE, {"labels": {}})["labels"].get("sequence", -1))
            self._report_lost("heartbeats", set(map(str, range(sequence + 1, certain))))

    def check_agents_file(self) -> None:
        """Check that the file is whole, and has all agents that were accepted."""
        text = self.client.setup.agents_file.read_text(encoding="utf-8")
        listed = {line.removeprefix("- ") for line in text.splitlines() if line.startswith("- ")}
        self._report_lost("agents", self.agents - listed)

    def _report_lost(self, what: str, names: set[str]) -> None:
        if names:
            self.client.results.record("registry", f"lost {what}", f"lost {what}: {', '.join(sorted(names)[:5])}")


@dataclass
class RegistryReader:
    """Reads service discovery and the states of nodes, which must be complete whenever the server answers."""

    client: ScrapeServerClient
    # Since when each node is known to be online.
    online_since: dict[str, float] = field(default_factory=dict)
    generation: int = 0

    def run_once(self) -> None:
        """Read everything once."""
        setup = self.client.setup
        addresses = {agent.address for agent in setup.agents}
        self._read_groups("/sd/agents", addresses)
        self._read_groups("/sd/agents?via=self", addresses)
        self._read_pods()
        self._read_states()

    def _read_groups(self, path: str, addresses: set[str]) -> None:
        response = self.client.request_ok("http_sd", path)
        if response is not None and (absent := addresses - _list_addresses(response.json())):
            self.client.results.record("http_sd", "incomplete", f"{path} lacks {', '.join(sorted(absent))}")

    def _read_pods(self) -> None:
        """Read the pods. An empty list would make Prometheus drop them, so an error is right until they are listed."""
        setup, path = self.client.setup, "/sd/pods"
        start = time.time()
        response = self.client.request("http_sd", path)
        if response is None:
            return
        if response.status == 503 and setup.pods_unknown.is_down:
            self.client.results.record("http_sd", "503, not listed yet")
            return
        problem = "" if response.status == 200 else f"{path} {response.status} {response.body[:200]!r}"
        self.client.results.record("http_sd", str(response.status), problem)
        addresses = {pod.address for pod in setup.pods}
        if not problem and (absent := addresses - _list_addresses(response.json())):
            self.client.results.record("http_sd", "incomplete", f"{path} lacks {', '.join(sorted(absent))}")
        elif not problem:
            setup.pods_unknown.end(start)

    def _read_states(self) -> None:
        """Check that no agent is offline that was online since its last outage."""
        server, start = self.client.setup.scrape_server, time.time()
        if server.generation != self.generation:
            self.generation = server.generation
            crash = server.outages.intervals[-1][0]
            # What the server learned just before may be lost.
            self.online_since = {
                name: since for name, since in self.online_since.items() if since < crash - MAX_LOST_SECONDS
            }
        response = self.client.request_ok("node states", "/api/v1/registrations")
        if response is None:
            return
        states = {node["name"]: node["online"] for node in response.json()["registrations"]}
        for agent in self.client.setup.agents:
            since = self.online_since.get(agent.node, start)
            if agent.process.outages.overlaps(since, time.time()):
                self.online_since.pop(agent.node, None)
            elif states.get(agent.node):
                self.online_since[agent.node] = since
            elif agent.node in self.online_since and since < start - MAX_LOST_SECONDS:
                problem = f"{agent.node} is offline at {start:.1f}, and its agent runs since {since:.1f}"
                self.client.results.record("node states", "offline", problem)
                del self.online_since[agent.node]


def _list_addresses(groups: list[dict[str, Any]]) -> set[str]:
    """Return the addresses of targets, behind which they are scraped."""
    return {group["labels"].get("instance", group["targets"][0]) for group in groups}


def list_clients(setup: HostsSetup, results: SoakResults, rng: random.Random) -> Iterator[Callable[[], None]]:
    """Yield what the clients do again and again."""
    client = ScrapeServerClient(setup, results)
    yield Registrar(client, rng).run_once
    yield RegistryReader(client).run_once
