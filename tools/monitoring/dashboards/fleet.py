"""The dashboard of all clusters: what the gateway shows, and which hosts are busy or full."""

from tools.monitoring.dashboards.parts import (
    Choice,
    Dashboard,
    Query,
    Row,
    draw_graph,
    draw_lines,
    draw_plugin_graph,
    draw_stat,
    draw_table,
)

# Network file systems and those in memory are not disks of a host.
_DISKS = 'fstype!~"tmpfs|overlay|squashfs|nfs.*|ramfs|vfat"'
_HOST_CPU = '1 - avg by (job, instance) (rate(node_cpu_seconds_total{mode="idle"}[$__rate_interval]))'
_HOST_MEMORY = (
    "1 - sum by (job, instance) (node_memory_MemAvailable_bytes) / sum by (job, instance) (node_memory_MemTotal_bytes)"
)
_HOST_DISK = (
    f"1 - min by (job, instance) (node_filesystem_avail_bytes{{{_DISKS}}} / node_filesystem_size_bytes{{{_DISKS}}})"
)
# Without those that only inform, and the one that fires as long as the monitoring works.
_FIRING = 'ALERTS{alertstate="firing", severity!~"none|info"}'
_HOST_TRAFFIC = " + ".join(
    f'sum by (job, instance) (rate(node_network_{direction}_bytes_total{{device!="lo"}}[$__rate_interval]))'
    for direction in ("receive", "transmit")
)


def _count_objects(kinds: str) -> str:
    return f'max by (kind) (aggregator_topology_objects{{kind=~"{kinds}"}})'


_OVERVIEW = Row(
    "Overview",
    (
        draw_stat(
            "Objects", Query("max by (kind) (aggregator_topology_objects)", "{{kind}}"), width=8,
            description="What the gateway shows. Several gateways show the same.",
        ),
        draw_stat(
            "Topology complete", Query("min(aggregator_topology_complete)", "complete"), unit="bool_yes_no", width=4,
            description="Whether measured data is missing. /api/v1/quality says which.",
        ),
        draw_stat(
            "Age of the data", Query("max(aggregator_snapshot_age_seconds)", "age"), unit="s", width=4,
            steps=((60, "orange"), (300, "red")),
        ),
        draw_stat(
            "Scrape targets down", Query("count(up == 0) or vector(0)", "down"), width=4, steps=((1, "orange"),),
        ),
        draw_stat(
            "Alerts firing", Query(f"count({_FIRING}) or vector(0)", "firing"), width=4,
            steps=((1, "red"),),
        ),
    ),
)  # fmt: skip

_GRAPH = Row(
    "Topology",
    (
        draw_graph(
            "Clusters and what they contain",
            "level=${level}",
            width=12,
            description="Needs the plugin Infinity. The circle shows the health; details are in the menu of a vertex.",
        ),
        draw_plugin_graph(
            "The same, by the Node Graph API plugin", "level=${level}", width=12, description="Needs that plugin."
        ),
    ),
)

_HOSTS = Row(
    "Hosts",
    (
        draw_lines("Busiest CPUs", Query(f"topk(10, {_HOST_CPU})", "{{instance}}"), unit="percentunit", maximum=1),
        draw_lines("Fullest memory", Query(f"topk(10, {_HOST_MEMORY})", "{{instance}}"), unit="percentunit", maximum=1),
        draw_lines("Fullest disks", Query(f"topk(10, {_HOST_DISK})", "{{instance}}"), unit="percentunit", maximum=1),
        draw_lines(
            "Most network traffic",
            Query(
                f"topk(10, {_HOST_TRAFFIC})",
                "{{instance}}",
            ),
            unit="Bps",
        ),
        draw_table(
            "All hosts",
            Query(_HOST_CPU.replace("$__rate_interval", "5m"), "CPU", "percentunit"),
            Query(_HOST_MEMORY, "Memory", "percentunit"),
            Query(_HOST_DISK, "Fullest disk", "percentunit"),
            columns=("job", "instance"),
            width=24,
        ),
    ),
)

_CONTAINERS = Row(
    "Objects over time",
    (
        draw_lines("Clusters and nodes", Query(_count_objects("cluster|node"), "{{kind}}")),
        draw_lines("Pods and containers", Query(_count_objects("pod|container"), "{{kind}}")),
        draw_lines(
            "Docker containers by state", Query("sum by (state) (docker_containers)", "{{state}}"), is_stacked=True
        ),
        draw_lines(
            "Registered hosts",
            Query("sum(aggregator_node_up)", "online"),
            Query("count(aggregator_node_up == 0) or vector(0)", "offline"),
        ),
    ),
)

FLEET = Dashboard(
    uid="aggregator-fleet",
    title="Fleet",
    description="All clusters and hosts: what the gateway shows, and what is busy, full or broken.",
    rows=(_OVERVIEW, _GRAPH, _HOSTS, _CONTAINERS),
    variables=(Choice("level", "Level of the graph", ("nodes", "clusters", "pods", "containers")),),
)
