"""The exposition of a fleet of one cluster with any number of nodes."""

import time

from demo.prometheus import ScrapedExposition

# The number of nodes for tests that do not depend on it.
SMALL_NODE_COUNT = 2
# Prometheus returns a sample for five minutes. Samples in the future keep a fleet alive for the longest test run.
SCRAPE_COUNT, SCRAPE_INTERVAL_SECONDS = 6, 200
FIRST_MEMORY_BYTES = 8_000_000_000
_CLUSTER_LABELS = 'icos_agent_id="ocm-1",icos_controller_id="c",k8s_cluster_uid="08c66cd5-0000-4336-99c8-000000000001"'


def build_fleet_exposition(nodes: int) -> str:
    """Return the exposition of a fleet; all its samples are placed."""
    lines = [
        "up 1",
        f'tlum_orch_info{{type="ocm",agent_id="ocm-1",agent_name="edge-a",{_CLUSTER_LABELS}}} 1',
        f'tlum_ocm_agent_info{{id="ocm-1",name="edge-a",{_CLUSTER_LABELS}}} 1',
    ]
    uname, memory = [], []
    for number in range(nodes):
        host = (
            f'{_CLUSTER_LABELS},icos_host_id="{number:032x}",icos_host_name="08c66cd5:node-{number}",'
            f'net_host_name="10.0.{number // 250}.{number % 250 + 1}"'
        )
        uname.append(f'node_uname_info{{{host},nodename="node-{number}",machine="x86_64"}} 1')
        memory.append(f"node_memory_MemTotal_bytes{{{host}}} {FIRST_MEMORY_BYTES + number}")
    return "\n".join([*lines, *uname, *memory]) + "\n"


def build_hosts_exposition(nodes: int) -> str:
    """Return the exposition of the same cluster as hosts with node_exporter, without Kubernetes and ICOS."""
    host_labels = [f'cluster="edge-a",instance="node-{number}:9100"' for number in range(nodes)]
    uname = [
        f'node_uname_info{{{labels},nodename="node-{number}",machine="x86_64"}} 1'
        for number, labels in enumerate(host_labels)
    ]
    memory = [
        f"node_memory_MemTotal_bytes{{{labels}}} {FIRST_MEMORY_BYTES + number}"
        for number, labels in enumerate(host_labels)
    ]
    return "\n".join(["up 1", *uname, *memory]) + "\n"


def build_fleet_scrapes(nodes: int) -> list[ScrapedExposition]:
    """Return repeated scrapes of a fleet, beginning now, for a Prometheus that many tests share."""
    return repeat_scrapes(build_fleet_exposition(nodes))


def repeat_scrapes(text: str) -> list[ScrapedExposition]:
    """Return repeated scrapes of an exposition, beginning now."""
    start_seconds = time.time()
    return [ScrapedExposition(text, start_seconds + SCRAPE_INTERVAL_SECONDS * number) for number in range(SCRAPE_COUNT)]
