"""The metrics of the scrape server itself: its targets, the registered nodes, and the answers."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry, ProcessCollector

from aggregator import __version__
from aggregator.exposition.merge import MergedPage
from aggregator.exposition.page import Family, Page, make_sample
from aggregator.registry.nodes import RegisteredNode
from aggregator.scrape.fetch import ScrapeError

MAX_NAMED_CONFLICTS = 20
# Twice what a page of 720 samples takes.
FIRST_MERGE_SECONDS_PER_TARGET = 0.002
# Why samples are missing in an answer.
DROP_REASONS = ("duplicate", "exemplar", "invalid_field")


@dataclass(frozen=True)
class TargetOutcome:
    """The result of one target for the metrics about it."""

    labels: Mapping[str, str]
    duration_seconds: float
    sample_count: int
    error: ScrapeError | None


@dataclass
class AnswerStatistics:
    """What is counted over all answers, and what is known about the last one."""

    dropped: Counter[str] = field(default_factory=lambda: Counter(dict.fromkeys(DROP_REASONS, 0)))
    merge_seconds: float | None = None
    requests: Counter[tuple[str, str, str]] = field(default_factory=Counter)

    def record_request(self, handler: str, method: str, status: int) -> None:
        """Count a request; the labels have few values."""
        self.requests[handler, str(status), method] += 1

    def estimate_merge_seconds(self, target_count: int) -> float:
        """Return how long the next merge will take: as long as the last one, at first a time for each target."""
        return FIRST_MERGE_SECONDS_PER_TARGET * target_count if self.merge_seconds is None else self.merge_seconds

    def record_merge(self, merged: MergedPage, seconds: float) -> None:
        """Record one merge."""
        self.dropped["duplicate"] += merged.dropped_duplicates
        self.dropped["exemplar"] += merged.dropped_exemplars
        self.merge_seconds = seconds


class ScrapeProcessMetrics:
    """The usual metrics of a process: CPU, memory, descriptors, start time."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)

    def build_page(self) -> Page:
        """Return the current values."""
        families = []
        for metric in self._registry.collect():
            name = f"{metric.name}_total" if metric.type == "counter" else metric.name
            samples = [make_sample(each.name, each.labels.items(), each.value) for each in metric.samples]
            families.append(Family(name, metric.type, metric.documentation, samples))
        build = make_sample("aggregator_build_info", [("version", __version__)], 1)
        families.append(Family("aggregator_build_info", "gauge", "Always 1, labeled with the version.", [build]))
        return build_own_page(families)


def build_own_page(families: Iterable[Family]) -> Page:
    """Return the families that have samples. Pages with known orders of labels are merged several times as fast."""
    present = [family for family in families if family.samples]
    orders = {tuple(name for name, _ in sample.labels) for family in present for sample in family.samples}
    return Page(present, label_orders=frozenset(orders))


def build_target_page(outcomes: Iterable[TargetOutcome]) -> Page:
    """Return the metrics of targets, with their labels."""
    up = Family("up", "gauge", "1 if the target was scraped completely, otherwise 0.")
    duration = Family("scrape_duration_seconds", "gauge", "Duration of the scrape of a target.")
    samples = Family("scrape_samples_scraped", "gauge", "Number of samples on the page of a target.")
    errors = Family("aggregator_scrape_target_error", "gauge", "1 for the reason why a target was not scraped.")
    for outcome in outcomes:
        labels = [(name, value) for name, value in outcome.labels.items() if value]
        up.samples.append(make_sample(up.name, labels, int(outcome.error is None)))
        duration.samples.append(make_sample(duration.name, labels, round(outcome.duration_seconds, 6)))
        samples.samples.append(make_sample(samples.name, labels, outcome.sample_count))
        if outcome.error is not None:
            errors.samples.append(make_sample(errors.name, [*labels, ("reason", outcome.error.reason.value)], 1))
    return build_own_page([up, duration, samples, errors])


def build_node_page(nodes: Iterable[tuple[RegisteredNode, str]]) -> Page:
    """Return the metrics of registered nodes, each with its cluster."""
    up = Family("aggregator_node_up", "gauge", "1 while a registered node is online, 0 when its ttl has passed.")
    reported = Family(
        "aggregator_node_last_report_timestamp_seconds", "gauge", "Unix time of the last report of a node."
    )
    ttl = Family("aggregator_node_ttl_seconds", "gauge", "How long after a report a node is online.")
    skew = Family("aggregator_node_clock_skew_seconds", "gauge", "How far the clock of a node is ahead.")
    for node, cluster in nodes:
        labels = [("cluster", cluster), ("node", node.name)]
        up.samples.append(make_sample(up.name, labels, int(node.is_online)))
        reported.samples.append(make_sample(reported.name, labels, round(node.reported_at_seconds, 3)))
        ttl.samples.append(make_sample(ttl.name, labels, node.ttl_seconds))
        if node.clock_skew_seconds is not None:
            skew.samples.append(make_sample(skew.name, labels, round(node.clock_skew_seconds, 3)))
    return build_own_page([up, reported, ttl, skew])


def build_answer_page(target_count: int, deadline_seconds: float, statistics: AnswerStatistics) -> Page:
    """Return the metrics of the answer that they are part of."""
    gauges = (
        ("aggregator_scrape_targets", "Number of targets of this answer.", target_count),
        ("aggregator_scrape_deadline_seconds", "Time that the targets of this answer had.", deadline_seconds),
        (
            "aggregator_scrape_merge_seconds",
            "Duration of the last merge before this answer.",
            statistics.merge_seconds or 0.0,
        ),
    )
    families = [Family(name, "gauge", text, [make_sample(name, [], round(value, 6))]) for name, text, value in gauges]
    name = "aggregator_scrape_samples_dropped_total"
    dropped = [make_sample(name, [("reason", reason)], count) for reason, count in statistics.dropped.items()]
    families.append(Family(name, "counter", "Samples, exemplars and fields that answers left out.", dropped))
    name, labels = "http_requests_total", ("handler", "code", "method")
    requests = [
        make_sample(name, zip(labels, key, strict=True), count) for key, count in sorted(statistics.requests.items())
    ]
    families.append(Family(name, "counter", "HTTP requests by handler, status code and method.", requests))
    return build_own_page(families)


def build_conflict_families(merged: MergedPage) -> list[Family]:
    """Return the family that names the type conflicts of a merge; none without conflicts.

    It is left out if a target has a family of this name, such as another scrape server.
    """
    name = "aggregator_scrape_type_conflicts"
    if not merged.type_conflicts or any(family.name == name for family in merged.families):
        return []
    samples = [make_sample(name, [("family", family)], 1) for family in merged.type_conflicts[:MAX_NAMED_CONFLICTS]]
    text = "1 for a family that has different types on different targets; it is untyped in this answer."
    return [Family(name, "gauge", text, samples)]
