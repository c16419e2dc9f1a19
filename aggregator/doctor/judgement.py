"""What a refresh shows of what is wrong: from its quality and topology to findings."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from aggregator.doctor import advice
from aggregator.doctor.report import Finding
from aggregator.models.build import NO_CLUSTER
from aggregator.models.catalog import CATALOG
from aggregator.models.exporters import CADVISOR, DOCKER, KUBE_STATE_METRICS, KUBELET, NODE_EXPORTER
from aggregator.models.topology import Topology
from aggregator.quality import LeftOut, Quality, QueryResult, RowQuality, UnfilledField

# Scrapes are rarely more than a minute apart.
OLD_SECONDS = 120.0
MOST_TOLD = 5
# Rows that any Prometheus answers tell nothing of its exporters.
OF_PROMETHEUS = "oldest_sample"
_EXPORTERS: Mapping[str, str] = {row.name: row.exporter.name for row in CATALOG}


@dataclass(frozen=True)
class Refreshed:
    """A refresh: how good it was, what it gave (None: nothing that may be shown), and for which moment it asked."""

    quality: Quality
    topology: Topology | None
    at_seconds: float

    @property
    def samples(self) -> int:
        """How many samples there were of metrics that exporters show."""
        return sum(row.samples for row in self.quality.rows if row.name != OF_PROMETHEUS)

    @property
    def homeless_hosts(self) -> int:
        """How many hosts belong to no known cluster."""
        return sum(
            each.objects for each in self.quality.unplaced_objects if (each.kind, each.reason) == ("nodes", NO_CLUSTER)
        )

    def samples_by_exporter(self) -> Mapping[str, int]:
        """Return how many samples each exporter shows; one whose queries failed is not told of."""
        samples: dict[str, int] = {}
        for row in self.quality.rows:
            if all(answer.result is not QueryResult.FAILED for answer in row.sources):
                exporter = _EXPORTERS[row.name]
                samples[exporter] = samples.get(exporter, 0) + row.samples
        return samples


def of_answers(quality: Quality) -> Iterator[Finding]:
    """Yield queries that failed, and answers that are partial."""
    failed: dict[tuple[str, str], list[str]] = defaultdict(list)
    partial: dict[str, dict[str, None]] = defaultdict(dict)
    warned: dict[str, list[str]] = defaultdict(list)
    for row in quality.rows:
        for answer in row.sources:
            if answer.error is not None:
                failed[answer.source, answer.error].append(row.name)
            if answer.warnings:
                warned[answer.source].append(row.name)
                partial[answer.source].update(dict.fromkeys(answer.warnings))
    for (source, error), rows in islice(failed.items(), MOST_TOLD):
        yield advice.failed_queries(source, rows, error)
    for source, rows in warned.items():
        yield advice.partial(source, rows, islice(partial[source], MOST_TOLD))


def of_labels(refreshed: Refreshed, *, has_icos_labels: bool) -> Iterator[Finding]:
    """Yield why hosts, pods and samples have no place."""
    quality, samples = refreshed.quality, refreshed.samples_by_exporter()
    plain = [name for name in (KUBE_STATE_METRICS, CADVISOR) if samples.get(name)]
    is_lost = refreshed.topology is None or not refreshed.topology.nodes
    hosts = refreshed.homeless_hosts
    if is_lost and plain and not has_icos_labels:
        yield advice.plain_kubernetes_labels(plain)
    elif is_lost and hosts and not has_icos_labels:
        yield advice.no_icos_labels(hosts)
    elif is_lost and hosts and not _rows(quality)["orchestrators"].samples:
        yield advice.no_orchestrator(hosts)
    else:
        yield from _without_place(quality)


def _without_place(quality: Quality) -> Iterator[Finding]:
    for each in quality.unplaced_objects:
        yield advice.objects_without_place(each.objects, each.kind, each.reason)
    number, told = _counted((row.name, row.unplaced) for row in quality.rows)
    if number:
        yield advice.samples_without_place(number, told)


def of_values(refreshed: Refreshed) -> Iterator[Finding]:
    """Yield values that cannot be kept, that contradict each other, or are old."""
    quality = refreshed.quality
    number, told = _counted((row.name, row.dropped) for row in quality.rows)
    if number:
        yield advice.values_not_kept(number, told)
    number, told = _counted((row.name, row.conflicts) for row in quality.rows)
    if number:
        yield advice.contradictions(number, told)
    seen = [node.last_seen_seconds for node in refreshed.topology.nodes.values()] if refreshed.topology else []
    latest = max((seconds for seconds in seen if seconds is not None), default=refreshed.at_seconds)
    if refreshed.at_seconds - latest > OLD_SECONDS:
        yield advice.old_data(refreshed.at_seconds - latest)


def of_exporters(refreshed: Refreshed) -> Iterator[Finding]:
    """Yield exporters that every system needs and that show nothing."""
    for names, lacking in _missing(refreshed):
        yield advice.exporter_missing(names, lacking)


def _missing(refreshed: Refreshed) -> Iterator[tuple[tuple[str, ...], str]]:
    """Yield exporters of which one is needed and none is there, and what is lacking without."""
    samples = refreshed.samples_by_exporter()
    if samples.get(NODE_EXPORTER, 1) == 0:
        yield (NODE_EXPORTER,), "hosts have no memory, processors, network and file systems"
    # A Docker host's containers are told by Docker.
    if samples.get(DOCKER):
        return
    if samples.get(KUBE_STATE_METRICS, 1) == 0:
        yield (KUBE_STATE_METRICS,), "there are no pods and containers, and no capacity of nodes"
    elif samples.get(KUBELET, 1) + samples.get(CADVISOR, 1) == 0:
        yield (KUBELET, CADVISOR), "containers have no usage of processors and memory"


def notes(refreshed: Refreshed) -> Iterator[Finding]:
    """Yield what nothing shows and a system may do without, but for what is told as missing."""
    told = tuple(name for names, _ in _missing(refreshed) for name in names)
    by_exporters: dict[str, list[str]] = defaultdict(list)
    for field in refreshed.quality.unfilled_fields:
        if not any(exporter.startswith(told) for exporter in field.exporters):
            by_exporters[" or ".join(field.exporters)].append(_name(field))
    for exporters, fields in by_exporters.items():
        yield advice.exporter_not_there(exporters, fields)


def _name(field: UnfilledField) -> str:
    return f"{field.kind}.{field.field}"


def _rows(quality: Quality) -> Mapping[str, RowQuality]:
    return {row.name: row for row in quality.rows}


def _counted(by_row: Iterable[tuple[str, Sequence[LeftOut]]]) -> tuple[int, list[str]]:
    """Return how many samples were left out, and of which rows why, the most first and only a few of them."""
    parts = [(each.samples, f"{name} ({each.reason}: {each.samples})") for name, left in by_row for each in left]
    parts.sort(key=lambda part: -part[0])
    return sum(number for number, _ in parts), [text for _, text in parts[:MOST_TOLD]]
