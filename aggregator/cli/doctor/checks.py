"""What the doctor checks in a refresh: each check yields its findings."""

import re
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from aggregator.cli.doctor import findings
from aggregator.cli.doctor.report import Finding
from aggregator.cli.terminal import format_duration
from aggregator.models.builder.build import UNKNOWN_CLUSTER_REASON
from aggregator.models.builder.membership import OCM
from aggregator.models.builder.merge import OUTDATED_REASONS
from aggregator.models.catalog.default_catalog import OLDEST_SAMPLE_ROW, compose_default_catalog
from aggregator.models.catalog.docker import CADVISOR as HOST_CADVISOR
from aggregator.models.catalog.docker import DOCKER
from aggregator.models.catalog.kubernetes import CADVISOR, KUBE_STATE_METRICS, KUBELET
from aggregator.models.catalog.node_exporter import NODE_EXPORTER
from aggregator.models.catalog.row import ExporterKind
from aggregator.models.quality import OmittedSamples, Quality, QueryResult, RowQuality, UnfilledField
from aggregator.models.topology import Node, Topology

# Scrape intervals are rarely longer than a minute.
STALE_AFTER_SECONDS = 120.0
MAX_FINDINGS = 5
KUBERNETES_EXPORTERS = tuple(
    dict.fromkeys(
        str(row.exporter)
        for row in compose_default_catalog()
        if row.exporter.kind in (ExporterKind.CLUSTER, ExporterKind.OPENTELEMETRY)
    )
)
CONTAINER_EXPORTERS = tuple(map(str, (DOCKER, HOST_CADVISOR)))
_RATE_PATTERN = re.compile(r"\brate\(([^\[\]]+)\[")


@dataclass(frozen=True)
class DoctorRefresh:
    """A refresh: its quality, its topology (None if it has none to serve), and its time."""

    quality: Quality
    topology: Topology | None
    at_seconds: float

    @property
    def sample_count(self) -> int:
        """The number of samples of exporters.

        Every Prometheus has a sample for OLDEST_SAMPLE_ROW, whatever it scrapes.
        """
        return sum(row.samples for row in self.quality.rows if row.name != OLDEST_SAMPLE_ROW.name)

    @property
    def unplaced_host_count(self) -> int:
        """The number of hosts without a known cluster."""
        return sum(
            each.objects
            for each in self.quality.unplaced_objects
            if (each.kind, each.reason) == ("nodes", UNKNOWN_CLUSTER_REASON)
        )

    def count_samples_by_exporter(self) -> Mapping[str, int]:
        """Return the number of samples by exporter, without exporters whose queries failed."""
        samples: dict[str, int] = {}
        for row in self.quality.rows:
            if all(report.result is not QueryResult.FAILED for report in row.sources):
                # The name of the program, without the part of it.
                exporter = row.exporter.partition(", ")[0]
                samples[exporter] = samples.get(exporter, 0) + row.samples
        return samples

    def has_no_samples(self, *exporters: str) -> bool:
        """Return whether none of these exporters has samples although their queries succeeded."""
        samples_by_exporter = self.count_samples_by_exporter()
        return all(samples_by_exporter.get(exporter) == 0 for exporter in exporters)

    @property
    def has_kubernetes(self) -> bool:
        """Whether anything shows that there is Kubernetes: samples of its exporters, or a cluster that has it."""
        clusters = self.topology.clusters.values() if self.topology else ()
        return self._may_have_samples(KUBERNETES_EXPORTERS) or any(cluster.type == OCM for cluster in clusters)

    @property
    def has_plain_containers(self) -> bool:
        """Whether there are containers without Kubernetes, such as those of Docker hosts."""
        return self._may_have_samples(CONTAINER_EXPORTERS)

    def _may_have_samples(self, exporters: Collection[str]) -> bool:
        """Return whether a query of these exporters returned samples or failed."""
        return any(
            row.samples or any(report.result is QueryResult.FAILED for report in row.sources)
            for row in self.quality.rows
            if row.exporter in exporters
        )


def check_responses(quality: Quality, unreachable_sources: Collection[str]) -> Iterator[Finding]:
    """Yield findings about failed queries and partial responses; unreachable sources already have a finding."""
    rows_by_error: dict[tuple[str, str], list[str]] = defaultdict(list)
    warnings_by_source: dict[str, dict[str, None]] = defaultdict(dict)
    rows_by_source: dict[str, list[str]] = defaultdict(list)
    for row in quality.rows:
        for response in row.sources:
            if response.error is not None and response.source not in unreachable_sources:
                rows_by_error[response.source, response.error].append(row.name)
            if response.warnings:
                rows_by_source[response.source].append(row.name)
                warnings_by_source[response.source].update(dict.fromkeys(response.warnings))
    for (source, error), rows in islice(rows_by_error.items(), MAX_FINDINGS):
        yield findings.describe_failed_queries(source, rows, error)
    for source, rows in rows_by_source.items():
        yield findings.describe_partial_responses(source, rows, list(warnings_by_source[source])[:MAX_FINDINGS])


def check_labels(refresh: DoctorRefresh) -> Iterator[Finding]:
    """Yield findings about unplaced hosts, pods and samples."""
    quality = refresh.quality
    has_no_nodes = refresh.topology is None or not refresh.topology.nodes
    unplaced_hosts = refresh.unplaced_host_count
    if quality.unplaced_targets:
        yield findings.describe_unplaced_targets(quality.unplaced_targets)
    if has_no_nodes and unplaced_hosts and not _has_samples(quality, "orchestrators"):
        yield findings.describe_missing_orchestrator(unplaced_hosts)
    else:
        yield from _check_unplaced(quality)


def _check_unplaced(quality: Quality) -> Iterator[Finding]:
    for each in quality.unplaced_objects:
        yield findings.describe_unplaced_objects(each.objects, each.kind, each.reason)
    known_reasons = {target.reason for target in quality.unplaced_targets}
    count, texts = _summarize_omitted(
        (row.name, [each for each in row.unplaced if each.reason not in known_reasons]) for row in quality.rows
    )
    if count:
        yield findings.describe_unplaced_samples(count, texts)


def check_values(refresh: DoctorRefresh) -> Iterator[Finding]:
    """Yield findings about contradictory, dropped, conflicting and old values."""
    quality = refresh.quality
    for each in quality.contradictions:
        yield findings.describe_contradiction(each)
    count, texts = _summarize_omitted((row.name, row.dropped) for row in quality.rows)
    if count:
        yield findings.describe_dropped_values(count, texts)
    count, texts = _summarize_omitted((row.name, _select_conflicts(row.conflicts)) for row in quality.rows)
    if count:
        yield findings.describe_conflicting_samples(count, texts)
    last_seen_seconds = [node.last_seen_seconds for node in refresh.topology.nodes.values()] if refresh.topology else []
    latest_seconds = max((seconds for seconds in last_seen_seconds if seconds is not None), default=refresh.at_seconds)
    if refresh.at_seconds - latest_seconds > STALE_AFTER_SECONDS:
        yield findings.describe_stale_data(refresh.at_seconds - latest_seconds)


def _select_conflicts(omitted: Iterable[OmittedSamples]) -> list[OmittedSamples]:
    """Return the samples with conflicting values, without those of pods that have moved, were replaced or ended."""
    return [each for each in omitted if each.reason not in OUTDATED_REASONS]


def check_registrations(refresh: DoctorRefresh) -> Iterator[Finding]:
    """Yield findings about hosts that are registered at a scrape server and are silent, or not scraped."""
    nodes = refresh.topology.nodes.values() if refresh.topology else ()
    silent = [node for node in nodes if node.is_reporting is False]
    if silent:
        yield findings.describe_silent_nodes([_describe_last_report(node, refresh.at_seconds) for node in silent])
    unscraped = [node for node in nodes if node.is_reporting and node.is_only_registered]
    if unscraped:
        yield findings.describe_unscraped_nodes([f"{node.cluster}/{node.key}" for node in unscraped])


def _describe_last_report(node: Node, at_seconds: float) -> str:
    name = f"{node.cluster}/{node.key}"
    # Other exporters that describe the host determine when it was last seen.
    if node.last_seen_seconds is None or not node.is_silent:
        return name
    return f"{name} (last report {format_duration(max(0.0, at_seconds - node.last_seen_seconds))} ago)"


def check_exporters(refresh: DoctorRefresh) -> Iterator[Finding]:
    """Yield findings about required exporters without samples."""
    for names, impact in _find_missing_exporters(refresh):
        yield findings.describe_missing_exporter(names, impact)


def _find_missing_exporters(refresh: DoctorRefresh) -> Iterator[tuple[tuple[str, ...], str]]:
    """Yield each group of exporters of which one is required but none has samples, and the impact."""
    if refresh.has_no_samples(NODE_EXPORTER):
        yield (NODE_EXPORTER,), "no memory, CPU, network and file system data for hosts"
    if refresh.has_plain_containers or not refresh.has_kubernetes:
        return
    if refresh.has_no_samples(KUBE_STATE_METRICS.name):
        yield (KUBE_STATE_METRICS.name,), "no pods, no containers, and no capacity of nodes"
    elif refresh.has_no_samples(KUBELET.name, CADVISOR.name):
        yield (KUBELET.name, CADVISOR.name), "no CPU and memory usage of containers"


def check_unfilled_fields(refresh: DoctorRefresh, has_series: Callable[[str], bool]) -> Iterator[Finding]:
    """Yield notes about fields without a value, except those that a missing required exporter would fill.

    `has_series` returns whether a selector has any series now.
    """
    if not refresh.has_kubernetes and not refresh.has_plain_containers:
        yield findings.describe_absent_kubernetes()
    required = tuple(name for names, _ in _find_missing_exporters(refresh) for name in names)
    absent = () if refresh.has_kubernetes else KUBERNETES_EXPORTERS
    rows = _index_rows(refresh.quality)
    young_fields: list[str] = []
    young_counters: dict[str, None] = {}
    fields_by_exporters: dict[str, list[str]] = defaultdict(list)
    for field in refresh.quality.unfilled_fields:
        exporters = [name for name in field.exporters if name not in absent]
        counters = [counter for name in field.rows if name in rows for counter in _find_rated_counters(rows[name])]
        present_counters = [counter for counter in counters if has_series(counter)]
        if present_counters:
            young_fields.append(_format_field_name(field))
            young_counters.update(dict.fromkeys(present_counters))
        elif exporters and not any(exporter.startswith(required) for exporter in exporters):
            fields_by_exporters[" or ".join(exporters)].append(_format_field_name(field))
    if young_fields:
        yield findings.describe_young_series(young_fields, list(young_counters))
    if fields_by_exporters:
        yield findings.describe_unfilled_fields(fields_by_exporters)


def _find_rated_counters(row: RowQuality) -> list[str]:
    """Return the selectors of the counters of which a query computes the rate."""
    return _RATE_PATTERN.findall(row.promql)


def _format_field_name(field: UnfilledField) -> str:
    return f"{field.kind}.{field.field}"


def _has_samples(quality: Quality, row: str) -> bool:
    return any(each.samples for each in quality.rows if each.name == row)


def _index_rows(quality: Quality) -> Mapping[str, RowQuality]:
    return {row.name: row for row in quality.rows}


def _summarize_omitted(omitted_by_row: Iterable[tuple[str, Sequence[OmittedSamples]]]) -> tuple[int, list[str]]:
    """Return the number of omitted samples, and texts for the rows and reasons with the most of them."""
    counted = [
        (each.samples, f"{name} ({each.reason}: {each.samples})")
        for name, omitted in omitted_by_row
        for each in omitted
    ]
    counted.sort(key=lambda part: -part[0])
    return sum(number for number, _ in counted), [text for _, text in counted[:MAX_FINDINGS]]


# --- texts: settings
