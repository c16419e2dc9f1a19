"""What the OpenAPI document shows of /api/v1: the language of filters in short, and examples that work when tried.

They name what the demo shows, whatever its size: the first node of its first cluster, and what always runs there.
"""

from collections.abc import Mapping
from typing import Any

from aggregator.lookup.items import Kind
from aggregator.lookup.plan import Resource
from aggregator.server.problems import KINDS, TYPES

NAMES = {
    "cluster": "icos-south",
    "node": "athens-master",
    "namespace": "icos-system",
    "pod": "telemetry-agent-cdn6r",
}

LANGUAGE = (
    "One cluster, node or pod by name, and lists of them. Lists are filtered in one small language, here and over "
    "gRPC: requirements with commas between, all of which have to hold.\n\n"
    "| requirement | holds where |\n|---|---|\n"
    "| `phase`, `!phase` | something, or nothing, is known of the field |\n"
    "| `phase=Running`, `phase!=Running` | it is, or is not, this |\n"
    "| `phase in (Running,Pending)`, `phase notin (Failed)` | it is, or is not, one of these |\n"
    "| `free_memory_bytes>=4Gi` | a number is `<`, `<=`, `>`, `>=` another one, with the suffixes of Kubernetes |\n"
    "| `last_seen_time>2026-11-20T20:57:08Z` | a time is earlier or later |\n"
    "| `image~nginx`, `image!~nginx` | a text has, or has not, this in it |\n\n"
    "Where nothing is known of a field, only `!`, `!=`, `notin` and `!~` hold. Of many values, one has to be like "
    'what is asked for. A value with a space, a comma or any of `()=!<>~"` in it goes between double quotes. In a '
    "URL, what is special there is percent-encoded: `>` is `%3E`, `+` is `%2B`.\n\n"
    "What is wrong is told by a problem document (RFC 9457). Its `type` is one of:\n\n"
    + "".join(f"* `{TYPES}{kind}` ({status}): {title}\n" for status, (kind, title) in KINDS.items())
)

FILTERS: Mapping[Kind, tuple[str, ...]] = {
    Kind.CLUSTERS: ("type=ocm", "node.architecture=aarch64", "is_linked=false"),
    Kind.NODES: (
        "free_memory_bytes>=4Gi",
        "architecture in (x86_64,aarch64),cpu_cores>2",
        "device.state=available",
        "label.region=south,!gpu_count",
        'name!="a, b"',
    ),
    Kind.PODS: ("phase!=Failed", "node=athens-master,namespace in (kube-system,icos-system)", "image~cilium"),
    Kind.CONTAINERS: ("cpu_usage_cores>50m", "cluster=icos-south,memory_bytes>=256Mi"),
}
LABELS = ("region=south", "region in (north,south),!app.kubernetes.io/name")
FIELDS: Mapping[Kind | None, tuple[str, ...]] = {
    None: ("version,clusters.name", "clusters.nodes.freeMemoryBytes"),
    Kind.CLUSTERS: ("name,type", "name,nodes.name"),
    Kind.NODES: ("name,free_memory_bytes", "name,interfaces.addresses.ip"),
    Kind.PODS: ("name,namespace,phase", "name,containers.image"),
    Kind.CONTAINERS: ("pod,name,image",),
}

_NODE = {
    "id": "cd613e30-d8f1-4adf-91b7-584a2265b1f5/b2221a58008a05a6c4647159c324c985",
    "name": "athens-master",
    "cluster": "icos-south",
    "type": "ocm",
    "lastSeenTime": "2026-11-20T20:56:00Z",
    "architecture": "x86_64",
    "cpuCores": 4,
    "freeMemoryBytes": "4638564679",
    "devices": [{"name": "usb-serial_10c4_ea60", "state": "DEVICE_STATE_AVAILABLE", "path": "squat.ai/serial"}],
}
_POD_ID = "b9365c98-0e2a-47ae-9877-cdb877eae310"
_CONTAINER = {
    "id": f"{_POD_ID}/telemetry-agent",
    "name": "telemetry-agent",
    "image": "registry.example/icos-system/telemetry-agent:1.1",
    "cpuUsageCores": 0.037442,
    "memoryBytes": "260330390",
}
_WHERE = {
    "cluster": "icos-south",
    "namespace": "icos-system",
    "pod": "telemetry-agent-cdn6r",
    "node": "athens-master",
}
_POD = {
    "id": _POD_ID,
    "name": "telemetry-agent-cdn6r",
    "namespace": "icos-system",
    "cluster": "icos-south",
    "node": "athens-master",
    "phase": "Running",
    "containers": [_CONTAINER],
}
_CLUSTER = {"id": "cd613e30-d8f1-4adf-91b7-584a2265b1f5", "name": "icos-south", "type": "ocm", "isLinked": True}
_VERSION = {"version": "9a1f5c1e8d7b4f60a3c2b1d0e9f8a7b6"}
_REST = {**_VERSION, "totalCount": 1}
ANSWERS: Mapping[Resource, Any] = {
    Resource.TOPOLOGY: {**_VERSION, "clusters": [{**_CLUSTER, "nodes": [_NODE], "pods": [_POD]}]},
    Resource.CLUSTERS: {"clusters": [_CLUSTER], **_REST},
    Resource.CLUSTER: {**_CLUSTER, "nodes": [_NODE], "pods": [_POD]},
    Resource.NODES: {"nodes": [_NODE], **_REST},
    Resource.NODE: _NODE,
    Resource.PODS: {"pods": [_POD], **_REST},
    Resource.POD: _POD,
    Resource.CONTAINERS: {"containers": [{**_CONTAINER, **_WHERE}], **_REST},
}
