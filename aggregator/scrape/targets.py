"""The agents to scrape: those of the list, and the registered nodes that serve metrics or push them."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from ipaddress import ip_address

from aggregator.registry.agents_file import AgentAddress, AgentsFile
from aggregator.registry.nodes import NodeRegistry, RegisteredNode
from aggregator.registry.reports import DEFAULT_METRICS_PATH
from aggregator.registry.store import RegistryStore
from aggregator.registry.tokens import derive_scrape_key
from aggregator.scrape.guard import LOCALHOST_ADDRESSES, AddressGuard, Endpoint
from aggregator.scrape.pushed_pages import PushedPages
from aggregator.scrape.threads import run_in_thread

AGENTS_JOB = "agents"
# The label of a report that names the cluster of its node.
CLUSTER_LABEL = "cluster"
# Each sample of a node has the name of its cluster: a long one would fill the memory.
MAX_CLUSTER_CHARACTERS = 255


@dataclass(frozen=True)
class AgentTarget:
    """An agent to scrape.

    `address` is `host:port`, as in the list. `authorization` is the token for this agent, None for none. `is_pushed`
    means that the node pushes its page. `host` is None for an invalid entry of the list, and for a node that only
    pushes.
    """

    address: str
    host: str | None
    port: int
    cluster: str
    node: str | None = None
    scheme: str = "http"
    metrics_path: str = DEFAULT_METRICS_PATH
    authorization: str | None = None
    is_pushed: bool = False

    @property
    def name(self) -> str:
        """The name of the target for people and for `?target=`: that of the node, else its address."""
        return self.node or self.address

    @property
    def labels(self) -> Mapping[str, str]:
        """The labels of the target, as Prometheus gets them from service discovery."""
        return {"job": AGENTS_JOB, "instance": self.address, "cluster": self.cluster, "node": self.node or ""}

    def build_url(self, path: str) -> str:
        """Return the URL of a path of the agent."""
        host = f"[{self.host}]" if self.host is not None and ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}{path}"


def choose_cluster(node: RegisteredNode, default_cluster: str) -> str:
    """Return the cluster of a node: that of its label, else the default."""
    return node.labels.get(CLUSTER_LABEL, "")[:MAX_CLUSTER_CHARACTERS] or default_cluster


@dataclass(frozen=True)
class DirectoryOptions:
    """The token for agents that a person has listed, and the cluster of hosts that report none."""

    agents_token: str | None = None
    default_cluster: str = ""


class AgentDirectory:
    """Lists the agents, and tells the guard which of their addresses may be connected."""

    def __init__(
        self,
        agents_file: AgentsFile,
        registry: NodeRegistry,
        store: RegistryStore,
        guard: AddressGuard,
        pushed_pages: PushedPages,
        options: DirectoryOptions,
    ) -> None:
        self._agents_file = agents_file
        self._registry = registry
        self._store = store
        self._guard = guard
        self._pushed_pages = pushed_pages
        self.hostnames: dict[str, str] = dict(store.stored.hostnames)
        self._options = options

    def remember_hostname(self, address: str, hostname: str) -> None:
        """Remember the host name of an agent, for the time when it does not answer."""
        if self.hostnames.get(address) != hostname:
            self.hostnames[address] = hostname
            self._store.remember_hostname(address, hostname)

    async def read_agents(self) -> tuple[AgentAddress, ...]:
        """Return the list of agents. A long one is read by another thread."""
        if self._agents_file.is_changed():
            return await run_in_thread(self._agents_file.read_agents)
        return self._agents_file.read_agents()

    async def list_targets(self) -> list[AgentTarget]:
        """Return all targets: first the list in its order, then other registered nodes by name."""
        agents = await self.read_agents()
        await self._store.keep_added_agents({agent.text for agent in agents})
        nodes = self._registry.list_nodes()
        self._guard.trust([*self._iter_trusted_agents(agents), *_iter_loopback_nodes(nodes)])
        node_by_endpoint = {(node.host, node.metrics.port): node for node in nodes if node.metrics is not None}
        targets = _name_uniquely(self._build_listed_target(agent, node_by_endpoint) for agent in agents)
        listed_nodes = {target.node for target in targets}
        targets += [
            self._build_node_target(node)
            for node in nodes
            if node.name not in listed_nodes and (node.metrics is not None or self._pushed_pages.has_pushed(node.name))
        ]
        return targets

    def choose_node_name(self, address: str, hostname: str) -> str:
        """Return the name of an agent of the list that has this host name.

        It is not the name of a node with a token. An agent that has added itself cannot take that of any node.
        """
        is_taken = self._store.tokens.find_token(hostname) is not None or (
            address in self._store.added_agents and self._registry.find_node(hostname) is not None
        )
        return f"{hostname} ({address})" if is_taken else hostname

    def get_cluster(self, node: RegisteredNode) -> str:
        """Return the cluster of a node."""
        return choose_cluster(node, self._options.default_cluster)

    def _build_listed_target(
        self, agent: AgentAddress, node_by_endpoint: Mapping[tuple[str, int], RegisteredNode]
    ) -> AgentTarget:
        token = None if agent.text in self._store.added_agents else self._options.agents_token
        node = node_by_endpoint.get((str(agent.ip), agent.port))
        hostname = self.hostnames.get(agent.text)
        if node is None or node.metrics is None:
            return AgentTarget(
                address=agent.text,
                host=agent.host,
                port=agent.port,
                cluster=self._options.default_cluster,
                node=self.choose_node_name(agent.text, hostname) if hostname else None,
                authorization=token,
            )
        return AgentTarget(
            address=agent.text,
            host=agent.host,
            port=agent.port,
            cluster=self.get_cluster(node),
            node=node.name,
            scheme=node.metrics.scheme,
            metrics_path=node.metrics.path,
            authorization=token or self._derive_key(node),
            is_pushed=self._pushed_pages.has_pushed(node.name),
        )

    def _build_node_target(self, node: RegisteredNode) -> AgentTarget:
        cluster, is_pushed = self.get_cluster(node), self._pushed_pages.has_pushed(node.name)
        if node.metrics is None:
            return AgentTarget(node.name, None, 0, cluster, node.name, is_pushed=is_pushed)
        host = f"[{node.host}]" if ":" in node.host else node.host
        return AgentTarget(
            address=f"{host}:{node.metrics.port}",
            host=node.host,
            port=node.metrics.port,
            cluster=cluster,
            node=node.name,
            scheme=node.metrics.scheme,
            metrics_path=node.metrics.path,
            authorization=self._derive_key(node),
            is_pushed=is_pushed,
        )

    def _derive_key(self, node: RegisteredNode) -> str | None:
        token = self._store.tokens.find_token(node.name)
        return derive_scrape_key(token.digest) if token is not None else None

    def _iter_trusted_agents(self, agents: tuple[AgentAddress, ...]) -> Iterator[Endpoint]:
        """Yield the addresses that a person has written, and loopback ones of agents that added themselves."""
        for agent in agents:
            is_added = agent.text in self._store.added_agents
            if agent.ip is not None and (agent.ip.is_loopback or not is_added):
                yield agent.ip, agent.port
            elif agent.host == "localhost":
                yield from ((address, agent.port) for address in LOCALHOST_ADDRESSES)


def _name_uniquely(targets: Iterable[AgentTarget]) -> list[AgentTarget]:
    """Return the targets; the second of a name gets its address, too, so that each can be chosen by its name."""
    used: set[str] = set()
    named = []
    for target in targets:
        if target.node is not None and target.name in used:
            target = replace(target, node=f"{target.node} ({target.address})")  # noqa: PLW2901 # the same target
        used.add(target.name)
        named.append(target)
    return named


def _iter_loopback_nodes(nodes: list[RegisteredNode]) -> Iterator[Endpoint]:
    """Yield the loopback addresses from which nodes registered."""
    for node in nodes:
        address = ip_address(node.host)
        if address.is_loopback and node.metrics is not None:
            yield address, node.metrics.port
