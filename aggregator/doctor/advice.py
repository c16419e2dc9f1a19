"""What to say of each thing that may be wrong, and what to do about it: the words of the doctor, all in one place."""

from collections.abc import Iterable, Sequence

from aggregator.doctor.report import Finding, Seen
from aggregator.querier.client import Address

_LABELS = (
    "give every scraped series the labels `cluster` and `node`: `cluster` as a label of the target, `node` by a "
    "relabelling rule from __meta_kubernetes_node_name or __meta_kubernetes_pod_node_name; or run the ICOS telemetry "
    "agent, which adds k8s_cluster_uid, icos_host_id and icos_host_name. docs/metrics.md has which labels find what"
)

# --- reaching an upstream


def no_such_host(source: str, host: str) -> Finding:
    """Nothing has that name."""
    advice = "mend the name in PROMETHEUS_ADDRESS, or the DNS that this machine or container asks"
    return Finding("no-such-host", f"no host is called {host}: the name cannot be resolved", advice, source)


def nobody_listens(source: str, error: str) -> Finding:
    """The host is there, the port is closed."""
    advice = "check the port in PROMETHEUS_ADDRESS, and that Prometheus runs and listens on more than its own loopback"
    return Finding("nobody-listens", f"nothing listens there: {error}", advice, source)


def too_slow(source: str, error: str) -> Finding:
    """It takes connections, or swallows them, and says nothing."""
    advice = "check firewalls and network policies on the way, and the load of the upstream"
    return Finding("no-answer", f"it does not answer: {error}", advice, source)


def unreachable(source: str, error: str) -> Finding:
    """Any other reason why no connection stands."""
    advice = (
        "http or https, port, certificate: PROMETHEUS_CA_FILE names an authority of your own; a redirect is followed "
        "on the same host only"
    )
    return Finding("unreachable", f"it cannot be reached: {error}", advice, source)


def needs_credentials(source: str, error: str) -> Finding:
    """401."""
    advice = (
        "it wants a token, or user and password: set PROMETHEUS_BEARER_TOKEN or PROMETHEUS_BEARER_TOKEN_FILE, or write "
        "user:password@ into PROMETHEUS_ADDRESS; if one is set, it is wrong or has expired"
    )
    return Finding("needs-credentials", f"it does not let us in: {error}", advice, source)


def not_allowed(source: str, error: str) -> Finding:
    """403."""
    advice = "whom we present may not query: allow it, or set a tenant with PROMETHEUS_HEADERS (X-Scope-OrgID=…)"
    return Finding("not-allowed", f"it knows us and refuses: {error}", advice, source)


def wrong_path(address: Address, error: str, instead: str) -> Finding:
    """There is something, but not at this path."""
    advice = (
        f"queries are answered at {instead}: set PROMETHEUS_ADDRESS to that (user:password@ as before)"
        if instead
        else "PROMETHEUS_ADDRESS is what stands before /api/v1/query, with the path of a proxy or of --web.route-prefix"
    )
    return Finding("wrong-path", f"no Prometheus answers at {address.url}: {error}", advice, address.name)


def refuses(source: str, error: str) -> Finding:
    """Any other status."""
    return Finding("refuses", f"it answers with an error: {error}", "the text is its own; look at its log", source)


def clocks_apart(seen: Seen) -> Finding:
    """What is asked for our now is not its now."""
    ahead = seen.clock_ahead_seconds or 0.0
    what = f"its clock is {abs(ahead):.0f} s {'ahead of' if ahead > 0 else 'behind'} ours"
    advice = "let both machines follow NTP: samples look too old, or are from the future, and nodes come and go"
    return Finding("clocks-apart", what, advice, seen.source)


# --- what is answered


def failed_queries(source: str, rows: Sequence[str], error: str) -> Finding:
    """Some queries have no answer."""
    advice = "the text is the upstream's own; raise QUERY_TIMEOUT or REFRESH_TIMEOUT if it is slow"
    return Finding("queries-failed", f"{_queries(rows)} failed: {error}", advice, source)


def partial(source: str, rows: Sequence[str], warnings: Iterable[str]) -> Finding:
    """Thanos lacks a store."""
    what = f"partial answers to {_queries(rows)}: {'; '.join(warnings)}"
    advice = "mend the store that is named, or what keeps Thanos from it: its page /stores shows the state of each"
    return Finding("partial-answers", what, advice, source)


def empty(source: str) -> Finding:
    """There is no sample at all."""
    advice = (
        "look at its page /targets: does it scrape anything, and is that up? A Prometheus that is only written to "
        "needs whoever writes; one that has just started needs a minute"
    )
    return Finding("empty", "it has no current samples of anything: not even `up`", advice, source)


def nothing_known(source: str, targets: int) -> Finding:
    """It scrapes, but nothing that we know."""
    advice = "let it scrape node_exporter, kube-state-metrics and the kubelet; docs/metrics.md lists what is asked"
    what = f"it scrapes {_number(targets, 'target')}, and none shows a metric that is asked for"
    return Finding("nothing-known", what, advice, source)


def old_data(age_seconds: float) -> Finding:
    """The newest sample is old, and no clock is wrong."""
    what = f"the newest sign of any host is {age_seconds:.0f} s old"
    advice = (
        "Prometheus does not scrape any more, scrapes more rarely than every two minutes, or takes the timestamps of "
        "an exporter whose clock is behind (honor_timestamps: false)"
    )
    return Finding("old-data", what, advice)


def duplicates(source: str, metric: str, hosts: int, labels: Sequence[str]) -> Finding:
    """Each host is there several times."""
    differ = f"; they differ in {', '.join(labels)}" if labels else ""
    advice = (
        "deduplicate replicas: ask through Thanos Query with --query.replica-label for that label, or one replica "
        "only; if it is `job` or `instance`, the host is scraped twice"
    )
    return Finding(
        "duplicates", f"{metric} has several series for each of {_number(hosts, 'host')}{differ}", advice, source
    )


def contradictions(samples: int, fields: Sequence[str]) -> Finding:
    """Samples of one object say different things."""
    advice = "two series tell of one object: replicas without deduplication, or two hosts with one machine id"
    return Finding(
        "contradictions", f"{_number(samples, 'sample')} contradicting others, in {', '.join(fields)}", advice
    )


# --- whose it is


def no_icos_labels(hosts: int) -> Finding:
    """Hosts whose series do not say where they belong."""
    what = f"of {_number(hosts, 'host')} no label tells the cluster, so none of them is shown"
    return Finding("no-cluster-labels", what, _LABELS)


def plain_kubernetes_labels(shown_by: Sequence[str]) -> Finding:
    """Telemetry as Kubernetes monitoring labels it by itself."""
    what = f"{' and '.join(shown_by)} answer, under the labels of plain Kubernetes only: no icos_*, no k8s_* label"
    return Finding("plain-kubernetes-labels", what, _LABELS)


def no_orchestrator(hosts: int) -> Finding:
    """Kubernetes hosts of a cluster that nobody announced."""
    what = f"tlum_orch_info, which says what clusters there are, is missing: {_number(hosts, 'host')} not shown"
    advice = "one telemetry agent of each cluster shows it: look at the agents' logs, or add a `cluster` label instead"
    return Finding("no-orchestrator", what, advice)


def objects_without_place(number: int, kind: str, reason: str) -> Finding:
    """Objects that are known and not shown."""
    what = f"{_number(number, kind.removesuffix('s'))} not shown: {reason}"
    advice = "tlum_orch_info of their cluster, or the series that name its hosts, are missing, or their labels differ"
    return Finding("objects-without-place", what, advice)


def samples_without_place(samples: int, rows: Sequence[str]) -> Finding:
    """Samples of objects that nothing names."""
    advice = (
        "their hosts or pods are named by no other series: is node_uname_info, tlum_host_info or kube_pod_info missing "
        "for some, or do labels differ between exporters? /api/v1/quality has the queries"
    )
    return Finding(
        "samples-without-place", f"{_number(samples, 'sample')} of no known object: {'; '.join(rows)}", advice
    )


def values_not_kept(samples: int, rows: Sequence[str]) -> Finding:
    """Values that no field can hold."""
    what = f"{_number(samples, 'value')} not kept: {'; '.join(rows)}"
    return Finding("values-not-kept", what, "look at the exporter: NaN, infinite, negative or no number at all")


# --- what shows it

_DEPLOY = {
    "node_exporter": "run node_exporter on each host and let Prometheus scrape it, with the host's labels",
    "kube-state-metrics": "run one kube-state-metrics in each cluster and let Prometheus scrape it",
}


def exporter_missing(names: Sequence[str], lacking: str) -> Finding:
    """An exporter that every system needs, or one of several that do the same."""
    name = " or ".join(names)
    advice = _DEPLOY.get(name, f"let Prometheus have the metrics of {name}")
    return Finding("exporter-missing", f"{name} shows nothing: {lacking}", advice)


def exporter_not_there(exporter: str, fields: Sequence[str]) -> Finding:
    """An exporter that a system may do without."""
    advice = f"nothing to do if you do not need it; {exporter} would show it"
    return Finding("not-there", f"no value of {', '.join(fields)}", advice)


def is_recording(source: str) -> Finding:
    """What is read is no upstream."""
    return Finding("recording", "a recording answers, no upstream", "what is found is true of then, not of now", source)


def nothing_recorded() -> Finding:
    """A recording of an upstream that had nothing."""
    return Finding("empty", "the recording has no samples of anything", "record an upstream that has some")


def no_topology(reason: str) -> Finding:
    """The refresh gave nothing that may be shown."""
    return Finding("no-topology", f"a refresh gives no topology: {reason}", "mend what is told beside this")


def _queries(rows: Sequence[str]) -> str:
    return f"query {rows[0]}" if len(rows) == 1 else f"{len(rows)} queries"


def _number(number: int, one: str) -> str:
    return f"1 {one}" if number == 1 else f"{number} {one}s"
