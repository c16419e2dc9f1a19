"""The dashboard of the scrape server, the registered hosts, and the agents with their containers."""

from tools.monitoring.dashboards.parts import Dashboard, Query, Row, Variable, draw_lines, draw_stat, draw_table

_NODE = 'node=~"$node"'


def _rate(name: str, selector: str = _NODE) -> str:
    return f"rate({name}{{{selector}}}[$__rate_interval])"


def _count_by_name(counter: str) -> str:
    """Return the sum of a counter of the Engine by the name of the container, which only its info series has."""
    names = f"max by (node, id, name) (docker_container_info{{{_NODE}}})"
    return f"sum by (node, name) ({counter}{{{_NODE}}} * on (node, id) group_left (name) {names})"


_NAMED = f'{_NODE}, name!=""'
_SILENCE = "time() - max by (cluster, node) (aggregator_node_last_report_timestamp_seconds)"

_REGISTRY = Row(
    "Registered hosts",
    (
        draw_stat("Online", Query("sum(aggregator_node_up)", "online")),
        draw_stat("Offline", Query("count(aggregator_node_up == 0) or vector(0)", "offline"), steps=((1, "red"),)),
        draw_stat(
            "Longest silence of a host that is online",
            Query(f"max({_SILENCE} and on (cluster, node) aggregator_node_up == 1)", "silence"),
            unit="s",
            width=8,
        ),
        draw_stat(
            "Largest clock skew", Query("max(abs(aggregator_node_clock_skew_seconds))", "skew"), unit="s", width=8,
            steps=((5, "orange"),),
        ),
        draw_table(
            "Hosts",
            Query("max by (cluster, node) (aggregator_node_up)", "Online"),
            Query(_SILENCE, "Last report", "s"),
            Query("max by (cluster, node) (aggregator_node_ttl_seconds)", "ttl", "s"),
            columns=("cluster", "node"),
            width=24,
        ),
    ),
)  # fmt: skip

_SERVER = Row(
    "Scrape server",
    (
        draw_lines("Duration of merging", Query("aggregator_scrape_merge_seconds", "{{job}} {{instance}}"), unit="s"),
        draw_lines("Targets of an answer", Query("aggregator_scrape_targets", "{{job}} {{instance}}")),
        draw_lines(
            "Samples left out",
            Query("sum by (reason) (rate(aggregator_scrape_samples_dropped_total[$__rate_interval]))", "{{reason}}"),
            unit="ops",
        ),
        draw_lines("Time for targets", Query("aggregator_scrape_deadline_seconds", "{{job}} {{instance}}"), unit="s"),
    ),
)

_AGENTS = Row(
    "Agents",
    (
        draw_stat("Engines up", Query(f"sum(docker_engine_up{{{_NODE}}})", "up")),
        draw_stat(
            "Engines down", Query(f"count(docker_engine_up{{{_NODE}}} == 0) or vector(0)", "down"), steps=((1, "red"),)
        ),
        draw_stat(
            "Engines by version",
            Query(f"count by (engine, version) (docker_engine_info{{{_NODE}}})", "{{engine}} {{version}}"),
            width=8,
        ),
        draw_stat("Images", Query(f"sum(docker_images{{{_NODE}}})", "images"), width=8),
        draw_lines(
            "Duration of collections", Query(f"docker_collection_duration_seconds{{{_NODE}}}", "{{node}}"), unit="s"
        ),
        draw_lines(
            "Failures of collections",
            Query(f"sum by (node, reason) ({_rate('docker_collection_failures_total')})", "{{node}} {{reason}}"),
            unit="ops",
        ),
        draw_lines(
            "Reports",
            Query(f"sum by (node, result) ({_rate('aggregator_agent_reports_total')})", "{{node}} {{result}}"),
            unit="ops",
        ),
        draw_lines(
            "Containers by state", Query(f"sum by (state) (docker_containers{{{_NODE}}})", "{{state}}"), is_stacked=True
        ),
    ),
)

_CONTAINERS = Row(
    "Containers",
    (
        draw_lines(
            "CPU cores",
            Query(
                f"topk(10, sum by (node, name) ({_rate('container_cpu_usage_seconds_total', _NAMED)}))",
                "{{node}} {{name}}",
            ),
        ),
        draw_lines(
            "Memory",
            Query(
                f"topk(10, max by (node, name) (container_memory_working_set_bytes{{{_NAMED}}}))",
                "{{node}} {{name}}",
            ),
            unit="bytes",
        ),
        draw_table(
            "Containers",
            Query(
                _count_by_name("docker_container_restarts_total"),
                "Restarts",
            ),
            Query(
                _count_by_name("docker_container_oom_kills_total"),
                "Killed for memory",
            ),
            columns=("node", "name"),
            width=24,
        ),
    ),
)

AGENTS = Dashboard(
    uid="aggregator-agents",
    title="Agents and scrape server",
    description="Docker hosts: who reports, what the scrape server merges, and the containers of each host.",
    rows=(_REGISTRY, _SERVER, _AGENTS, _CONTAINERS),
    variables=(Variable("node", "label_values(docker_engine_up, node)", "Host", has_all=True),),
)
