"""What the doctor asks beside the rows of the table, to tell one cause from another."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aggregator.errors import QueryError
from aggregator.querier.decode import Sample, decoder
from aggregator.querier.effort import Upstream

# What names hosts, and by which labels one is told from another.
HOST_METRICS = ("node_uname_info", "tlum_host_info")
HOST_LABELS = ("k8s_cluster_uid", "icos_host_id", "icos_host_name", "cluster", "node", "nodename", "hostname")
WITH_ICOS_LABELS = " or ".join(
    f'count({{__name__=~"node_uname_info|tlum_.*|kube_node_.*|kube_pod_info|container_.*",{label}!=""}})'
    for label in ("k8s_cluster_uid", "icos_host_id", "icos_agent_id")
)


@dataclass(frozen=True)
class Duplicates:
    """A metric that shows hosts several times: how many hosts, and in which labels the series of one differ."""

    metric: str
    hosts: int
    labels: tuple[str, ...]


class Inquiry:
    """Asks one upstream at one moment. What it does not answer is as if it had nothing: the rows told of that."""

    def __init__(self, upstream: Upstream, at_seconds: float) -> None:
        self._upstream = upstream
        self._at_seconds = at_seconds

    def targets(self) -> int:
        """Return how many scrape targets it has current samples of, up or not."""
        return self._count("count(up)")

    def has_icos_labels(self) -> bool:
        """Return whether any series bears the labels of ICOS telemetry."""
        return self._count(WITH_ICOS_LABELS) > 0

    def duplicates(self) -> list[Duplicates]:
        """Return what shows hosts several times."""
        by = ", ".join(HOST_LABELS)
        found = []
        for metric in HOST_METRICS:
            several = f"(count by ({by}) ({metric}) > 1)"
            hosts = self._count(f"count({several})")
            if hosts:
                one = self._ask(f"{metric} and on ({by}) topk(1, {several})")
                found.append(Duplicates(metric, hosts, _differing([sample.metric for sample in one])))
        return found

    def _count(self, promql: str) -> int:
        samples = self._ask(promql)
        try:
            return int(float(samples[0].value.text)) if samples else 0
        except (ValueError, OverflowError):
            return 0

    def _ask(self, promql: str) -> Sequence[Sample]:
        try:
            return decoder(None)(self._upstream.ask(promql, self._at_seconds)).samples
        except QueryError:
            return []


def _differing(series: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    labels = sorted({label for metric in series for label in metric})
    return tuple(label for label in labels if len({metric.get(label) for metric in series}) > 1)
