"""The findings of the doctor: the text and the advice of each."""

from collections.abc import Mapping, Sequence

from aggregator.cli.doctor.advice import select_error_advice, select_warning_advice
from aggregator.cli.doctor.report import Finding, UpstreamStatus
from aggregator.cli.terminal import pluralize
from aggregator.models.builder.merge import Contradiction, UnplacedTarget
from aggregator.models.catalog.kubernetes import CADVISOR, KUBE_STATE_METRICS
from aggregator.models.catalog.promql import RATE_WINDOW_SECONDS
from aggregator.querier.prometheus.client import UpstreamAddress

# How many names a finding lists.
MAX_NAMES = 5
_DEPLOY_ADVICE = {
    "node_exporter": "run node_exporter on each host, and add it to the scrape targets, with the labels of the host",
    "kube-state-metrics": "run kube-state-metrics in each cluster, and add it to the scrape targets",
}


def describe_misspelled_variable(variable: str, suggestion: str) -> Finding:
    """Return the note about a variable that resembles a setting; its value, which may be a secret, is not in it."""
    return Finding("unknown-variable", f"{variable} is not a setting", f"did you mean {suggestion}?")


def describe_ineffective_setting(warning: str) -> Finding:
    """Return the note about a setting that has no effect."""
    return Finding("no-effect", warning, "change or remove one of both settings")


# --- texts: reaching an upstream


def describe_unresolved_host(source: str, host: str) -> Finding:
    """Return the finding for a host name that cannot be resolved."""
    advice = "fix the host name in PROMETHEUS_ADDRESS, or the DNS configuration of this machine or container"
    return Finding("no-such-host", f"cannot resolve the host name {host}", advice, source)


def describe_connection_refused(address: UpstreamAddress, error: str) -> Finding:
    """Return the finding for a closed port."""
    advice = "check the port in PROMETHEUS_ADDRESS, and that Prometheus is running and listens on more than localhost"
    return Finding("nobody-listens", f"cannot connect to {address.url}: {error}", advice, address.name)


def describe_timeout(address: UpstreamAddress, error: str) -> Finding:
    """Return the finding for an upstream that does not respond."""
    advice = "check firewalls and network policies in between, and the load of the upstream"
    return Finding("no-answer", f"no response from {address.url}: {error}", advice, address.name)


def describe_unreachable(address: UpstreamAddress, error: str) -> Finding:
    """Return the finding for any other failure to connect."""
    advice = (
        "check http or https, the port, and the certificate; set PROMETHEUS_CA_FILE for a private CA. Redirects "
        "are followed to the same host only"
    )
    return Finding("unreachable", f"cannot reach {address.url}: {error}", advice, address.name)


def describe_missing_credentials(address: UpstreamAddress, error: str) -> Finding:
    """Return the finding for HTTP 401 and 407."""
    message = f"{address.url} requires credentials: {error}"
    return Finding("needs-credentials", message, select_error_advice(error), address.name)


def describe_forbidden(address: UpstreamAddress, error: str) -> Finding:
    """Return the finding for HTTP 403."""
    message = f"no permission to query {address.url}: {error}"
    return Finding("not-allowed", message, select_error_advice(error), address.name)


def describe_wrong_path(address: UpstreamAddress, error: str, working_url: str) -> Finding:
    """Return the finding for an HTTP server that is not Prometheus at this path."""
    advice = (
        f"set PROMETHEUS_ADDRESS to {working_url}, where Prometheus responds (with user:password@ as before)"
        if working_url
        else "set PROMETHEUS_ADDRESS to the URL before /api/v1/query, with the path of a proxy or --web.route-prefix"
    )
    if "web page" in error and not working_url:
        advice = select_error_advice(error)
    return Finding("wrong-path", f"no Prometheus at {address.url}: {error}", advice, address.name)


def describe_error_status(address: UpstreamAddress, error: str) -> Finding:
    """Return the finding for any other HTTP status."""
    return Finding("refuses", f"{address.url} refuses queries: {error}", select_error_advice(error), address.name)


def describe_clock_skew(status: UpstreamStatus) -> Finding:
    """Return the finding for a clock that differs from the local one."""
    skew_seconds = status.clock_ahead_seconds or 0.0
    message = f"its clock is {abs(skew_seconds):.0f} s {'ahead of' if skew_seconds > 0 else 'behind'} the local clock"
    advice = "synchronize both machines by NTP; otherwise samples seem too old or in the future, and nodes come and go"
    return Finding("clocks-apart", message, advice, status.source)


# --- texts: a running gateway


def describe_unusable_gateway(error: str) -> Finding:
    """Return the finding for a URL without the quality report of a gateway."""
    advice = "check the URL and the token in TOKEN; if no gateway runs, run the doctor with its settings, without --url"
    return Finding("no-gateway", error, advice)


def describe_failed_refresh(reason: str) -> Finding:
    """Return the finding for a gateway that serves an old topology, because its last refresh failed."""
    return Finding(
        "refresh-failed",
        f"the last refresh failed, an older topology is served: {reason}",
        "fix the other problems first",
    )


def describe_disappearance(text: str) -> Finding:
    """Return the finding for clusters or nodes that disappeared."""
    advice = (
        "if they were not removed, check their hosts and exporters: the page /targets of Prometheus shows the errors"
    )
    return Finding("vanished", f"disappeared: {text}", advice)


def describe_no_samples_at_gateway() -> Finding:
    """Return the finding for a gateway whose queries return nothing."""
    return Finding("empty", "no query returned a sample", "check the targets of its Prometheus, and that they are up")


def describe_examined_gateway() -> Finding:
    """Return the note that only the report of a gateway was examined."""
    return Finding(
        "gateway",
        "targets, clocks, duplicate series and settings were not checked; rates without a value may be too young",
        "run the doctor with the settings of the gateway, for example in its container, without --url",
    )


# --- texts: responses


def describe_failed_queries(source: str, rows: Sequence[str], error: str) -> Finding:
    """Return the finding for failed queries."""
    message = f"{_format_query_names(rows)} failed: {error}"
    return Finding("queries-failed", message, select_error_advice(error), source)


def describe_partial_responses(source: str, rows: Sequence[str], warnings: Sequence[str]) -> Finding:
    """Return the finding for partial responses."""
    message = f"partial responses to {_format_query_names(rows)}: {'; '.join(warnings)}"
    return Finding("partial-answers", message, select_warning_advice(warnings), source)


def describe_down_targets(
    source: str, counts: tuple[int, int], targets: Sequence[str], errors: Sequence[str]
) -> Finding:
    """Return the finding for scrape targets that are down; `counts` are those that are down, and all."""
    down, total = counts
    more = f"; and {down - len(targets)} more" if down > len(targets) else ""
    verb = "is" if down == 1 else "are"
    message = f"{down} of {pluralize(total, 'target')} {verb} down (up = 0): {'; '.join(targets)}{more}"
    advice = (
        "start the exporter, or correct the address, port or credentials of the target; the page /targets of "
        "Prometheus has all errors"
    )
    return Finding("targets-down", message, advice, source, tuple(errors))


def describe_down_engines(source: str, count: int, hosts: Sequence[str]) -> Finding:
    """Return the finding for hosts whose agent runs and whose container engine does not."""
    message = (
        f"the container engine of {pluralize(count, 'host')} does not respond (docker_engine_up = 0), so its "
        f"containers are missing: {_name_some(hosts, count)}"
    )
    advice = (
        "start the engine, and check that the agent has the permission to open its socket: see the log of the agent"
    )
    return Finding("engine-down", message, advice, source)


def describe_no_samples(source: str) -> Finding:
    """Return the finding for an upstream without any samples."""
    advice = (
        "check its page /targets: are there targets, and are they up? A Prometheus that receives remote writes needs a "
        "running sender. After a start, wait a minute"
    )
    return Finding("empty", "no current samples, not even of `up`", advice, source)


def describe_no_known_metrics(source: str, targets: int) -> Finding:
    """Return the finding for an upstream without any known metric."""
    advice = (
        "add node_exporter, kube-state-metrics and the kubelet to its scrape targets; docs/metrics.md lists all metrics"
    )
    message = f"it scrapes {pluralize(targets, 'target')}, but none exposes a metric of the catalog"
    return Finding("nothing-known", message, advice, source)


def describe_stale_data(age_seconds: float) -> Finding:
    """Return the finding for old samples without a clock skew."""
    message = f"the newest sample of any host is {age_seconds:.0f} s old"
    advice = (
        "check whether Prometheus scrapes at least every two minutes; if the clock of an exporter is behind, set "
        "honor_timestamps: false"
    )
    return Finding("old-data", message, advice)


def describe_duplicate_series(source: str, metric: str, hosts: int, labels: Sequence[str]) -> Finding:
    """Return the finding for hosts with several series of one metric."""
    difference = f"; the series differ in {', '.join(labels)}" if labels else ""
    advice = (
        "deduplicate replicas: query Thanos Query with --query.replica-label, or only one replica. If the label is "
        "`job` or `instance`, the host is scraped twice"
    )
    return Finding(
        "duplicates",
        f"{metric} has several series for each of {pluralize(hosts, 'host')}{difference}",
        advice,
        source,
    )


def describe_conflicting_samples(samples: int, fields: Sequence[str]) -> Finding:
    """Return the finding for samples of one object with different values."""
    advice = "check for replicas without deduplication, and for hosts with the same machine ID"
    return Finding(
        "contradictions", f"{pluralize(samples, 'sample')} with conflicting values: {', '.join(fields)}", advice
    )


# --- texts: labels


def describe_unplaced_targets(targets: Sequence[UnplacedTarget]) -> Finding:
    """Return the finding for scrape targets whose host is unknown."""
    names = [f"{target.instance or 'no instance'} (job {target.job or 'unknown'})" for target in targets[:MAX_NAMES]]
    rest = f" and {len(targets) - MAX_NAMES} more" if len(targets) > MAX_NAMES else ""
    message = f"the host of {pluralize(len(targets), 'scrape target')} is unknown: {', '.join(names)}{rest}"
    advice = (
        "give these targets the label `node` with the name of the Kubernetes node, for example by a relabeling rule "
        "from __meta_kubernetes_pod_node_name; a host outside Kubernetes needs the label `node` with its own name. "
        "docs/clusters.md has the rules"
    )
    return Finding("unknown-host", message, advice, details=tuple(sorted({target.reason for target in targets})))


def describe_missing_orchestrator(hosts: int) -> Finding:
    """Return the finding for hosts of a cluster without tlum_orch_info."""
    message = f"tlum_orch_info, which defines the clusters, is missing: {pluralize(hosts, 'host')} not in the topology"
    advice = (
        "one telemetry agent of each cluster exposes it: check the logs of the agents, or add a `cluster` label instead"
    )
    return Finding("no-orchestrator", message, advice)


def describe_contradiction(contradiction: Contradiction) -> Finding:
    """Return the finding for an object with several values of a field that identifies it."""
    advice = (
        "probably several hosts or pods have the same labels: give each host its own `node` label, and each "
        "cluster its own `cluster` label"
    )
    return Finding("ambiguous-identity", str(contradiction), advice)


def describe_unplaced_objects(count: int, kind: str, reason: str) -> Finding:
    """Return the finding for objects that are not in the topology."""
    message = f"{pluralize(count, kind.removesuffix('s'))} not in the topology: {reason}"
    advice = (
        "check the series that define their cluster and hosts, tlum_orch_info with ICOS telemetry, otherwise the label "
        "`cluster`: are they missing, or do their labels differ?"
    )
    return Finding("objects-without-place", message, advice)


def describe_unplaced_samples(samples: int, rows: Sequence[str]) -> Finding:
    """Return the finding for samples that match no entity."""
    advice = (
        "check node_uname_info, tlum_host_info and kube_pod_info of their hosts and pods: are they missing, or do the "
        "labels differ? /api/v1/quality has the queries"
    )
    return Finding(
        "samples-without-place", f"{pluralize(samples, 'sample')} of unknown objects: {'; '.join(rows)}", advice
    )


def describe_dropped_values(samples: int, rows: Sequence[str]) -> Finding:
    """Return the finding for values that were dropped."""
    message = f"{pluralize(samples, 'value')} dropped: {'; '.join(rows)}"
    return Finding(
        "values-not-kept", message, "check the exporter: the value is NaN, infinite, out of range or not a number"
    )


# --- texts: registered nodes


def describe_silent_nodes(hosts: Sequence[str]) -> Finding:
    """Return the finding for registered nodes whose agents do not report any longer."""
    verb = "does" if len(hosts) == 1 else "do"
    message = f"{pluralize(len(hosts), 'registered node')} {verb} not report: {_name_some(hosts, len(hosts))}"
    advice = (
        "check that the host and its agent run, and that the agent reaches the scrape server; a host that no longer "
        "exists disappears when the scrape server forgets it"
    )
    return Finding("silent-nodes", message, advice)


def describe_unscraped_nodes(hosts: Sequence[str]) -> Finding:
    """Return the finding for registered nodes that report, but of which the upstreams have no metrics."""
    verb = "reports" if len(hosts) == 1 else "report"
    message = (
        f"{pluralize(len(hosts), 'registered node')} {verb}, but nobody scrapes the metrics: "
        f"{_name_some(hosts, len(hosts))}"
    )
    advice = (
        "add the agents to the scrape targets of Prometheus, and check that `up` of these targets is 1; a host whose "
        "agent has no page of metrics has only its name in the topology"
    )
    return Finding("nodes-not-scraped", message, advice)


# --- texts: exporters


def describe_missing_exporter(names: Sequence[str], impact: str) -> Finding:
    """Return the finding for a missing exporter that every system needs; one of `names` is enough."""
    name = " or ".join(names)
    advice = _DEPLOY_ADVICE.get(name, f"add {name} to the scrape targets")
    return Finding("exporter-missing", f"no samples of {name}: {impact}", advice)


def describe_absent_kubernetes() -> Finding:
    """Return the note about a system without any sign of Kubernetes."""
    return Finding(
        "exporter-missing",
        f"no samples of {KUBE_STATE_METRICS.name}, the kubelet or {CADVISOR.name}: no pods and no containers",
        "optional: only Kubernetes clusters need them",
    )


def describe_young_series(fields: Sequence[str], counters: Sequence[str]) -> Finding:
    """Return the note about rates of counters that are too young."""
    minutes = RATE_WINDOW_SECONDS // 60
    message = (
        f"no value yet for {', '.join(fields)}: rates need {minutes} minutes of history, and no series of "
        f"{', '.join(counters)} is that old"
    )
    return Finding(
        "too-young", message, f"wait for {minutes} minutes after the first scrape, or a restart of the exporter"
    )


def describe_unfilled_fields(fields_by_exporters: Mapping[str, Sequence[str]]) -> Finding:
    """Return the note about fields without a value, with a line for each exporter that would provide them."""
    return Finding(
        "not-there",
        f"no value for {pluralize(sum(map(len, fields_by_exporters.values())), 'optional field')}",
        "nothing to do if you do not need them; docs/metrics.md has the queries",
        details=tuple(f"{exporter}: {', '.join(fields)}" for exporter, fields in fields_by_exporters.items()),
    )


def describe_recording_source(source: str) -> Finding:
    """Return the note that a recording is replayed."""
    return Finding("recording", "a recording is replayed", "the findings describe the time of the recording", source)


def describe_empty_recording() -> Finding:
    """Return the finding for a recording without samples."""
    return Finding("empty", "the recording has no samples", "record an upstream that has samples")


def describe_no_topology(reason: str) -> Finding:
    """Return the finding for a refresh without a topology."""
    return Finding("no-topology", f"the refresh produced no topology: {reason}", "fix the other problems first")


def _name_some(names: Sequence[str], count: int) -> str:
    """Return the first names, and how many more there are."""
    more = f" and {count - MAX_NAMES} more" if count > MAX_NAMES else ""
    return ", ".join(names[:MAX_NAMES]) + more


def _format_query_names(rows: Sequence[str]) -> str:
    return f"query {rows[0]}" if len(rows) == 1 else f"{len(rows)} queries"
