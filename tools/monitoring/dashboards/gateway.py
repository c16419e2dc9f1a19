"""The dashboard of the gateway, from its own metrics."""

from tools.monitoring.dashboards.parts import Dashboard, Query, Row, Variable, draw_heatmap, draw_lines, draw_stat

_GATEWAY = 'job=~"$job", instance=~"$instance"'


def _rate(name: str, selector: str = _GATEWAY) -> str:
    return f"rate({name}{{{selector}}}[$__rate_interval])"


def _quantile(quantile: float, name: str, label: str = "") -> str:
    labels = f"le, {label}" if label else "le"
    return f"histogram_quantile({quantile}, sum by ({labels}) ({_rate(f'{name}_bucket')}))"


_STATE = Row(
    "State",
    (
        draw_stat("Ready", Query(f"min(aggregator_ready{{{_GATEWAY}}})", "ready"), unit="bool_yes_no"),
        draw_stat(
            "Topology complete", Query(f"min(aggregator_topology_complete{{{_GATEWAY}}})", "complete"),
            unit="bool_yes_no",
        ),
        draw_stat(
            "Age of the data", Query(f"max(aggregator_snapshot_age_seconds{{{_GATEWAY}}})", "age"), unit="s",
            steps=((60, "orange"), (300, "red")),
        ),
        draw_stat(
            "Since the last refresh",
            Query(f"time() - min(aggregator_refresh_last_success_timestamp_seconds{{{_GATEWAY}}})", "age"), unit="s",
            steps=((60, "orange"), (300, "red")),
        ),
        draw_stat("Versions", Query(f"count by (version) (aggregator_build_info{{{_GATEWAY}}})", "{{version}}")),
        draw_stat("HTTP connections", Query(f"sum(aggregator_http_connections{{{_GATEWAY}}})", "open")),
    ),
)  # fmt: skip

_REFRESHES = Row(
    "Refreshes",
    (
        draw_lines(
            "Duration of a refresh",
            Query(_quantile(0.5, "aggregator_refresh_duration_seconds"), "median"),
            Query(_quantile(0.99, "aggregator_refresh_duration_seconds"), "99 %"),
            unit="s",
        ),
        draw_lines(
            "Failed refreshes",
            Query(_rate("aggregator_refresh_failures_total"), "{{instance}}"),
            unit="ops",
        ),
        draw_lines(
            "Queries by result",
            Query(f"sum by (result) ({_rate('aggregator_queries_total')})", "{{result}}"),
            unit="ops",
        ),
        draw_lines(
            "Queries by source",
            Query(f"sum by (source, result) ({_rate('aggregator_source_queries_total')})", "{{source}} {{result}}"),
            unit="ops",
        ),
        draw_lines(
            "Slowest queries",
            Query(
                f"topk(10, sum by (query) ({_rate('aggregator_query_duration_seconds_sum')})"
                f" / sum by (query) ({_rate('aggregator_query_duration_seconds_count')}))",
                "{{query}}",
            ),
            unit="s",
        ),
        draw_lines(
            "Size of responses",
            Query(f"sum({_rate('aggregator_query_response_bytes_total')})", "responses"),
            unit="Bps",
        ),
    ),
)

_DATA = Row(
    "Topology",
    (
        draw_lines("Objects", Query(f"max by (kind) (aggregator_topology_objects{{{_GATEWAY}}})", "{{kind}}")),
        draw_lines("Gaps", Query(f"max by (kind) (aggregator_topology_gaps{{{_GATEWAY}}})", "{{kind}}")),
        draw_lines(
            "Samples left out",
            Query(f"sum by (reason) ({_rate('aggregator_dropped_samples_total')})", "{{reason}}"),
            unit="ops",
        ),
        draw_lines(
            "Warnings of upstreams",
            Query(f"sum({_rate('aggregator_upstream_warnings_total')})", "warnings"),
            unit="ops",
        ),
    ),
)

_CLIENTS = Row(
    "Clients",
    (
        draw_lines(
            "HTTP requests",
            Query(f"sum by (handler, code) ({_rate('http_requests_total')})", "{{handler}} {{code}}"),
            unit="reqps",
        ),
        draw_lines(
            "Duration of HTTP requests, 99 %",
            Query(_quantile(0.99, "http_request_duration_seconds", "route"), "{{route}}"),
            unit="s",
        ),
        draw_heatmap(
            "Duration of HTTP requests",
            Query(
                f"sum by (le) (increase(http_request_duration_seconds_bucket{{{_GATEWAY}}}[$__rate_interval]))",
                "{{le}}",
            ),
        ),
        draw_lines(
            "gRPC calls",
            Query(
                f"sum by (grpc_method, grpc_code) ({_rate('grpc_server_handled_total')})",
                "{{grpc_method}} {{grpc_code}}",
            ),
            unit="reqps",
        ),
        draw_lines(
            "Rejected tokens",
            Query(f"sum by (reason) ({_rate('aggregator_auth_failures_total')})", "{{reason}}"),
            unit="ops",
        ),
        draw_lines(
            "Failed fetches of keys",
            Query(f"sum({_rate('aggregator_key_fetches_failed_total')})", "failed"),
            unit="ops",
        ),
    ),
)

_PROCESS = Row(
    "Process",
    (
        draw_lines("CPU", Query(_rate("process_cpu_seconds_total"), "{{instance}}"), unit="percentunit", width=8),
        draw_lines(
            "Memory", Query(f"process_resident_memory_bytes{{{_GATEWAY}}}", "{{instance}}"), unit="bytes", width=8
        ),
        draw_lines("File descriptors", Query(f"process_open_fds{{{_GATEWAY}}}", "{{instance}}"), width=8),
    ),
)

GATEWAY = Dashboard(
    uid="aggregator-gateway",
    title="Gateway",
    description="Refreshes, upstreams, clients and the process of the gateway.",
    rows=(_STATE, _REFRESHES, _DATA, _CLIENTS, _PROCESS),
    variables=(
        Variable("job", "label_values(aggregator_ready, job)", "Job", has_all=True),
        Variable("instance", 'label_values(aggregator_ready{job=~"$job"}, instance)', "Instance", has_all=True),
    ),
)
