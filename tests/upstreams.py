"""A stand-in for Prometheus: answers each row of the catalog as the test says, and counts what it is asked."""

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Mapping

from aggregator.errors import QueryError
from aggregator.models.catalog import CATALOG
from tests.samples import Series, body

Said = QueryError | bytes

NAMES = {row.ask.text: row.name for row in CATALOG}
EMPTY = body([])


class Upstream:
    """Answers rows by name; a row that the test says nothing of has no samples.

    `before` is called before each answer, on the thread that asks, with the row's name.
    """

    def __init__(self, said: Mapping[str, Said] | None = None) -> None:
        self.said = dict(said or {})
        self.everything: QueryError | None = None
        self.before: Callable[[str], None] = lambda _name: None
        self.asked: Counter[str] = Counter()
        self.times: set[float] = set()
        self.aborted = threading.Event()

    def ask(self, promql: str, at_seconds: float) -> bytes:
        """Answer one row."""
        name = NAMES[promql]
        self.asked[name] += 1
        self.times.add(at_seconds)
        self.before(name)
        said = self.everything or self.said.get(name, EMPTY)
        if isinstance(said, QueryError):
            raise said
        return said

    def abort(self) -> None:
        """Remember that it was told to break off."""
        self.aborted.set()

    @property
    def refreshes(self) -> int:
        """How often any row was asked at most: the number of refreshes that it has seen."""
        return max(self.asked.values(), default=0)


def cluster(uid: str = "u", hosts: Iterable[str] = ("n",)) -> dict[str, Said]:
    """Return the answers that show one OCM cluster with some hosts."""
    orchestrator: Series = ({"type": "ocm", "agent_name": "x", "k8s_cluster_uid": uid}, "1")
    nodes: list[Series] = [
        ({"k8s_cluster_uid": uid, "icos_host_id": f"id-{host}", "nodename": host}, "1") for host in hosts
    ]
    return {"orchestrators": body([orchestrator]), "nodes_by_uname": body(nodes)}


def uptime(seconds: float, host: str = "n") -> bytes:
    """Return the answer that shows a host's uptime."""
    return body([({"icos_host_id": f"id-{host}"}, f"{seconds}")])
