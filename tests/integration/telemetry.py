"""A made-up fleet of one cluster in the telemetry's real names, of any number of nodes."""

import time

from demo.prometheus import Moment

# How many nodes are enough where it does not matter.
FEW = 2
# Prometheus shows a sample for five minutes; later ones keep a fleet alive for as long as the longest run.
MOMENTS, APART_SECONDS = 6, 200
FIRST_MEMORY_BYTES = 8_000_000_000
_CLUSTER = 'icos_agent_id="ocm-1",icos_controller_id="c",k8s_cluster_uid="08c66cd5-0000-4336-99c8-000000000001"'


def fleet(nodes: int) -> str:
    """Return the exposition text; nothing in it is without a place."""
    lines = [
        "up 1",
        f'tlum_orch_info{{type="ocm",agent_id="ocm-1",agent_name="edge-a",{_CLUSTER}}} 1',
        f'tlum_ocm_agent_info{{id="ocm-1",name="edge-a",{_CLUSTER}}} 1',
    ]
    uname, memory = [], []
    for number in range(nodes):
        host = (
            f'{_CLUSTER},icos_host_id="{number:032x}",icos_host_name="08c66cd5:node-{number}",'
            f'net_host_name="10.0.{number // 250}.{number % 250 + 1}"'
        )
        uname.append(f'node_uname_info{{{host},nodename="node-{number}",machine="x86_64"}} 1')
        memory.append(f"node_memory_MemTotal_bytes{{{host}}} {FIRST_MEMORY_BYTES + number}")
    return "\n".join([*lines, *uname, *memory]) + "\n"


def lasting(nodes: int) -> list[Moment]:
    """Return a fleet as scraped now and again and again, for a Prometheus that many tests ask."""
    return again_and_again(fleet(nodes))


def again_and_again(text: str) -> list[Moment]:
    """Return any exposition the same way."""
    begin = time.time()
    return [Moment(text, begin + APART_SECONDS * number) for number in range(MOMENTS)]
