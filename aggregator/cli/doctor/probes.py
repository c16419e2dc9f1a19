"""Probes of an upstream: whether it responds, which product it is, its clock, and extra queries about its series."""

import contextlib
import re
import socket
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import msgspec

from aggregator.cli.doctor import findings
from aggregator.cli.doctor.report import Finding, UpstreamStatus
from aggregator.errors import (
    MalformedResponseError,
    NotListeningError,
    QueryError,
    QueryTimeoutError,
    UpstreamStatusError,
)
from aggregator.models.sample import Sample
from aggregator.querier.prometheus.client import (
    DEFAULT_PORTS,
    STORES_PATH,
    PrometheusClient,
    UpstreamAddress,
    is_stores_response,
)
from aggregator.querier.prometheus.decode import create_decoder
from aggregator.querier.prometheus.errors import JSON_DECODE_ERRORS, redact_message
from aggregator.querier.prometheus.source import Upstream

# Metrics with one series per host, and the labels that identify a host.
HOST_METRICS = ("node_uname_info", "tlum_host_info")
HOST_IDENTITY_LABELS = (
    "k8s_cluster_uid",
    "icos_host_id",
    "icos_host_name",
    "cluster",
    "node",
    "instance",
    "nodename",
    "hostname",
)
QUERY_PATH = "/api/v1/query"
BUILD_INFO_PATH = "/api/v1/status/buildinfo"
TARGETS_PATH = "/api/v1/targets"
# A larger difference makes samples seem old or in the future.
MAX_CLOCK_SKEW_SECONDS = 5.0
# Common paths of Prometheus and compatible products behind a proxy.
COMMON_PATH_PREFIXES = ("", "/prometheus", "/prom", "/thanos", "/api/prom", "/select/0/prometheus")
# Only VictoriaMetrics sends this header; no response body identifies it.
VICTORIA_HEADER = "X-Server-Hostname"
# So many targets that are down are named.
MAX_NAMED_TARGETS = 5
MAX_SCRAPE_ERROR_CHARACTERS = 200
MAX_SCRAPE_ERRORS = 1000
# Limit for the product and version that an upstream reports.
MAX_IDENTITY_CHARACTERS = 100
# Seconds in the format of Prometheus.
_SECONDS_PATTERN = re.compile(r"[0-9]{1,20}(\.[0-9]+)?(e\+[0-9]{1,2})?")


ClientFactory = Callable[[UpstreamAddress], PrometheusClient]


class _BuildInfo(msgspec.Struct):
    version: str = ""
    application: str = ""


class _BuildInfoResponse(msgspec.Struct):
    data: _BuildInfo


class _ActiveTarget(msgspec.Struct, rename="camel"):
    labels: dict[str, str] = {}
    health: str = ""
    last_error: str = ""


class _ActiveTargets(msgspec.Struct, rename="camel"):
    active_targets: list[_ActiveTarget] = []


class _TargetsResponse(msgspec.Struct):
    data: _ActiveTargets


def probe_upstream(address: UpstreamAddress, create_client: ClientFactory) -> tuple[UpstreamStatus, list[Finding]]:
    """Return the status of an upstream, and findings about it."""
    with contextlib.closing(create_client(address)) as client:
        start = time.monotonic()
        try:
            clock_ahead_seconds = measure_clock_skew(client)
        except QueryError as error:
            return UpstreamStatus(address.name, address.url), [_diagnose_error(error, address, create_client)]
        response_seconds = time.monotonic() - start
        kind, version = identify_upstream(client)
    status = UpstreamStatus(
        address.name, address.url, kind, version, round(clock_ahead_seconds, 3), round(response_seconds, 3)
    )
    # The clock was read at an unknown time between request and response.
    has_clock_skew = abs(clock_ahead_seconds) - response_seconds / 2 > MAX_CLOCK_SKEW_SECONDS
    return status, [findings.describe_clock_skew(status)] if has_clock_skew else []


def measure_clock_skew(client: PrometheusClient) -> float:
    """Return by how many seconds the clock of an upstream is ahead; raise a QueryError if it responds to no query."""
    before = time.time()
    response = client.get(QUERY_PATH, {"query": "vector(time())"})
    after = time.time()
    samples = create_decoder(())(response.body, redactor=client.redactor).samples
    values = [sample.value.text for sample in samples]
    # The error must not quote an arbitrary value.
    if len(values) != 1 or not _SECONDS_PATTERN.fullmatch(values[0]):
        raise MalformedResponseError("the response to vector(time()) is not a time")
    return float(values[0]) - (before + after) / 2


def identify_upstream(client: PrometheusClient) -> tuple[str, str]:
    """Return product and version ("" if unknown) of an upstream that responds to queries."""
    build, is_victoria = _BuildInfo(), False
    with contextlib.suppress(QueryError, *JSON_DECODE_ERRORS):
        response = client.get(BUILD_INFO_PATH)
        is_victoria = VICTORIA_HEADER in response.headers
        build = msgspec.json.decode(response.body, type=_BuildInfoResponse).data
    if is_victoria:
        # It reports the version of the Prometheus that it is compatible with.
        return "VictoriaMetrics", ""
    application, version = (
        redact_message(text, client.redactor, MAX_IDENTITY_CHARACTERS) for text in (build.application, build.version)
    )
    with contextlib.suppress(QueryError):
        if is_stores_response(client.get(STORES_PATH).body):
            return "Thanos", version
    if application:
        return application, version
    return ("Prometheus", version) if version else ("unknown product with a PromQL API", "")


def _diagnose_error(error: QueryError, address: UpstreamAddress, create_client: ClientFactory) -> Finding:
    """Return the finding for an upstream that responds to no query."""
    descriptions: dict[type[QueryError], Callable[[UpstreamAddress, str], Finding]] = {
        NotListeningError: findings.describe_connection_refused,
        QueryTimeoutError: findings.describe_timeout,
    }
    if isinstance(error, UpstreamStatusError) and error.status in (401, 407):
        return findings.describe_missing_credentials(address, str(error))
    if isinstance(error, UpstreamStatusError) and error.status == 403:
        return findings.describe_forbidden(address, str(error))
    if isinstance(error, MalformedResponseError) or (
        isinstance(error, UpstreamStatusError) and error.status in (404, 405)
    ):
        return findings.describe_wrong_path(address, str(error), next(_find_working_urls(address, create_client), ""))
    if isinstance(error, UpstreamStatusError):
        return findings.describe_error_status(address, str(error))
    if not _is_resolvable(address.url):
        return findings.describe_unresolved_host(address.name, urlsplit(address.url).hostname or "")
    return descriptions.get(type(error), findings.describe_unreachable)(address, str(error))


def _find_working_urls(address: UpstreamAddress, create_client: ClientFactory) -> Iterator[str]:
    """Yield URLs on the same host at which a PromQL API responds."""
    parts = urlsplit(address.url)
    segments = parts.path.rstrip("/").split("/")
    parent_paths = ("/".join(segments[:end]) for end in range(len(segments) - 1, 0, -1))
    for prefix in dict.fromkeys((*parent_paths, *COMMON_PATH_PREFIXES)):
        if prefix == parts.path.rstrip("/"):
            continue
        url = f"{parts.scheme}://{parts.netloc}{prefix}"
        other = UpstreamAddress(url, address.user, address.password, address.name, address.cluster)
        with contextlib.suppress(QueryError), contextlib.closing(create_client(other)) as client:
            measure_clock_skew(client)
            yield url


def _is_resolvable(url: str) -> bool:
    parts = urlsplit(url)
    try:
        socket.getaddrinfo(parts.hostname, parts.port or DEFAULT_PORTS[parts.scheme])
    except OSError:
        return False
    return True


@dataclass(frozen=True)
class DuplicateSeries:
    """A metric with several series per host: the number of such hosts, and the labels in which the series differ."""

    metric: str
    host_count: int
    labels: tuple[str, ...]


@dataclass(frozen=True, order=True)
class DownTarget:
    """A scrape target with `up` 0: its labels, and the error of its last scrape, "" if it is unknown."""

    instance: str
    job: str
    error: str = ""


@dataclass(frozen=True)
class ScrapeTargets:
    """The number of scrape targets, how many of them are down, and some of these."""

    count: int
    down_count: int
    named: tuple[DownTarget, ...] = ()


@dataclass(frozen=True)
class DownEngines:
    """The number of hosts whose container engine does not respond, and the names of some of them."""

    count: int
    hosts: tuple[str, ...] = ()


class UpstreamInspector:
    """Runs extra queries on one upstream; a failed one counts as empty, because the rows of the refresh report it."""

    def __init__(self, upstream: Upstream, at_seconds: float) -> None:
        self._upstream = upstream
        self._at_seconds = at_seconds

    def count_targets(self) -> int:
        """Return the number of scrape targets, up or down."""
        return self._query_count("count(up)")

    def inspect_targets(self) -> ScrapeTargets:
        """Return which scrape targets are down."""
        down_count = self._query_count("count(up == 0)")
        if not down_count:
            return ScrapeTargets(self.count_targets(), 0)
        errors = self._fetch_scrape_errors()
        samples = self._query_samples(f"topk({MAX_NAMED_TARGETS}, group by (instance, job) (up == 0))")
        keys = [tuple(str(sample.labels.get(label) or "") for label in ("instance", "job")) for sample in samples]
        named = sorted(DownTarget(instance, job, errors.get((instance, job), "")) for instance, job in keys)
        return ScrapeTargets(self.count_targets(), down_count, tuple(named))

    def find_down_engines(self) -> DownEngines:
        """Return the hosts whose agent reports that the container engine does not respond."""
        down_engines = "group by (cluster, node, instance) (docker_engine_up == 0)"
        count = self._query_count(f"count({down_engines})")
        samples = self._query_samples(f"topk({MAX_NAMED_TARGETS}, {down_engines})") if count else []
        return DownEngines(count, tuple(sorted(map(_name_host, samples))))

    def _fetch_scrape_errors(self) -> Mapping[tuple[str, str], str]:
        """Return the errors of the last scrapes by instance and job, as far as they are known.

        Prometheus reports those of its own targets, and a scrape server the reasons for those behind it.
        """
        samples = self._query_samples(
            f"topk({MAX_SCRAPE_ERRORS}, group by (instance, job, reason) (aggregator_scrape_target_error > 0))"
        )
        reasons = {
            (str(sample.labels.get("instance", "")), str(sample.labels.get("job", ""))): str(sample.labels["reason"])
            for sample in samples
            if sample.labels.get("reason")
        }
        return {**reasons, **self._fetch_errors_of_prometheus()}

    def _fetch_errors_of_prometheus(self) -> Mapping[tuple[str, str], str]:
        """Return the errors that Prometheus reports; empty if the upstream is another product."""
        if not isinstance(self._upstream, PrometheusClient):
            return {}
        try:
            response = self._upstream.get(TARGETS_PATH, {"state": "active"})
            targets = msgspec.json.decode(response.body, type=_TargetsResponse).data.active_targets
        except (QueryError, *JSON_DECODE_ERRORS):
            return {}
        return {
            (target.labels.get("instance", ""), target.labels.get("job", "")): redact_message(
                target.last_error, self._upstream.redactor, MAX_SCRAPE_ERROR_CHARACTERS
            )
            for target in targets
            if target.health == "down"
        }

    def has_series(self, selector: str) -> bool:
        """Return whether a selector has any series."""
        return self._query_count(f"count({selector})") > 0

    def find_duplicate_series(self) -> list[DuplicateSeries]:
        """Return the metrics with several series per host."""
        grouping = ", ".join(HOST_IDENTITY_LABELS)
        found = []
        for metric in HOST_METRICS:
            duplicated_query = f"(count by ({grouping}) ({metric}) > 1)"
            hosts = self._query_count(f"count({duplicated_query})")
            if hosts:
                example = self._query_samples(f"{metric} and on ({grouping}) topk(1, {duplicated_query})")
                found.append(
                    DuplicateSeries(metric, hosts, _find_differing_labels([sample.labels for sample in example]))
                )
        return found

    def _query_count(self, promql: str) -> int:
        samples = self._query_samples(promql)
        try:
            return int(float(samples[0].value.text)) if samples else 0
        except (ValueError, OverflowError):
            return 0

    def _query_samples(self, promql: str) -> Sequence[Sample]:
        try:
            return create_decoder(None)(self._upstream.query(promql, self._at_seconds).decompress()).samples
        except QueryError:
            return []


def _name_host(sample: Sample) -> str:
    """Return cluster and node of a sample, or its instance if it has no label of its node."""
    labels: Mapping[str, Any] = sample.labels
    name = labels.get("node") or labels.get("instance") or "unknown host"
    return f"{labels['cluster']}/{name}" if labels.get("cluster") else str(name)


def _find_differing_labels(series: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    labels = sorted({label for metric in series for label in metric})
    return tuple(label for label in labels if len({metric.get(label) for metric in series}) > 1)
