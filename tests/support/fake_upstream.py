"""A fake Prometheus with a configured response for each row of the catalog; it counts queries."""

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Mapping

from aggregator.errors import QueryError
from aggregator.querier.prometheus.decode import ByteBudget, CompressedBody, compress_chunks
from tests.support.catalog import CATALOG
from tests.support.samples import Series, encode_response

UpstreamResponse = QueryError | bytes

ROW_NAMES_BY_PROMQL = {row.expression.text: row.name for row in CATALOG}
EMPTY_RESPONSE = encode_response([])


def compress_body(body: bytes) -> CompressedBody:
    """Return a body that no budget counts."""
    return compress_chunks((body,), ByteBudget())


class FakeUpstream:
    """Returns the configured response of each row, no samples by default.

    `on_query` is called with the name of the row before each response, on the querying thread. `failure` replaces all
    responses.
    """

    def __init__(self, responses: Mapping[str, UpstreamResponse] | None = None) -> None:
        self.responses = dict(responses or {})
        self.failure: QueryError | None = None
        self.on_query: Callable[[str], None] = lambda _name: None
        self.query_counts: Counter[str] = Counter()
        self.query_times: set[float] = set()
        self.aborted = threading.Event()

    def query(self, promql: str, at_seconds: float) -> CompressedBody:
        """Return the response of the row with this PromQL, or raise its error."""
        name = ROW_NAMES_BY_PROMQL[promql]
        self.query_counts[name] += 1
        self.query_times.add(at_seconds)
        self.on_query(name)
        response = self.failure or self.responses.get(name, EMPTY_RESPONSE)
        if isinstance(response, QueryError):
            raise response
        return compress_body(response)

    def abort(self) -> None:
        """Record the abort."""
        self.aborted.set()

    @property
    def refresh_count(self) -> int:
        """The number of refreshes: how often the most frequent row was queried."""
        return max(self.query_counts.values(), default=0)


def build_cluster_responses(uid: str = "u", hosts: Iterable[str] = ("n",)) -> dict[str, UpstreamResponse]:
    """Return responses that contain one OCM cluster with these hosts."""
    orchestrator: Series = ({"type": "ocm", "agent_name": "x", "k8s_cluster_uid": uid}, "1")
    nodes: list[Series] = [
        ({"k8s_cluster_uid": uid, "icos_host_id": f"id-{host}", "nodename": host}, "1") for host in hosts
    ]
    return {"orchestrators": encode_response([orchestrator]), "nodes_by_uname": encode_response(nodes)}


def build_uptime_response(seconds: float, host: str = "n") -> bytes:
    """Return a response that contains the uptime of a host."""
    return encode_response([({"icos_host_id": f"id-{host}"}, f"{seconds}")])
