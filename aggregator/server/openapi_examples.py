"""What the OpenAPI document shows of /api/v1: the language of filters in short, and examples that work when tried."""

from collections.abc import Mapping
from typing import Any

from aggregator.errors import (
    BadRequestError,
    KeysMissingError,
    NotAllowedError,
    NotFoundError,
    NoTopologyError,
    TokenRefusedError,
    VersionGoneError,
)
from aggregator.lookup.items import Kind
from aggregator.lookup.plan import Resource
from aggregator.server.problems import KINDS, TYPES, problem

NAMES = {"cluster": "icos-cluster-a", "node": "k8s-master", "namespace": "kube-system", "pod": "cilium-9b4pl"}

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
    Kind.CLUSTERS: ("type=ocm", "node.architecture=aarch64", "!is_linked"),
    Kind.NODES: (
        "free_memory_bytes>=4Gi",
        "architecture in (x86_64,aarch64),cpu_cores>2",
        "device.state=available",
        "label.zone=north,!gpu_count",
        'name!="a, b"',
    ),
    Kind.PODS: ("phase!=Running", "node=k8s-master,namespace in (kube-system,default)", "image~nginx"),
    Kind.CONTAINERS: ("cpu_usage_cores>500m", "cluster=icos-cluster-a,memory_bytes>=1Gi"),
}
LABELS = ("zone=north", "zone in (north,south),!app.kubernetes.io/name")
FIELDS: Mapping[Kind | None, tuple[str, ...]] = {
    None: ("version,clusters.name", "clusters.nodes.freeMemoryBytes"),
    Kind.CLUSTERS: ("name,type", "name,nodes.name"),
    Kind.NODES: ("name,free_memory_bytes", "name,interfaces.addresses.ip"),
    Kind.PODS: ("name,namespace,phase", "name,containers.image"),
    Kind.CONTAINERS: ("pod,name,image",),
}

_NODE = {
    "id": "a04a67ba785345598000000000000001",
    "name": "k8s-master",
    "cluster": "icos-cluster-a",
    "type": "ocm",
    "lastSeenTime": "2026-11-20T20:57:08.307Z",
    "architecture": "x86_64",
    "cpuCores": 4,
    "freeMemoryBytes": "348254208",
    "devices": [{"name": "video0", "state": "DEVICE_STATE_AVAILABLE", "path": "/dev/video0"}],
}
_CONTAINER = {
    "id": "93111014-0000-4c1f-83eb-000000000002/cilium-agent",
    "name": "cilium-agent",
    "image": "quay.io/cilium/cilium:v1.16.1",
    "cpuUsageCores": 0.02,
    "memoryBytes": "134217728",
}
_POD = {
    "id": "93111014-0000-4c1f-83eb-000000000002",
    "name": "cilium-9b4pl",
    "namespace": "kube-system",
    "cluster": "icos-cluster-a",
    "node": "k8s-master",
    "phase": "Running",
    "containers": [_CONTAINER],
}
_CLUSTER = {"id": "08c66cd5-0000-4336-99c8-000000000001", "name": "icos-cluster-a", "type": "ocm", "isLinked": False}
_VERSION = {"version": "9a1f5c1e8d7b4f60a3c2b1d0e9f8a7b6"}
_REST = {**_VERSION, "totalCount": 1}
_WHERE = {"cluster": "icos-cluster-a", "namespace": "kube-system", "pod": "cilium-9b4pl", "node": "k8s-master"}
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

_REFUSED = (
    BadRequestError(
        "filter: nodes have no field free_memory", parameter="filter", nearest=("free_memory_bytes", "memory_bytes")
    ),
    TokenRefusedError("no token"),
    NotAllowedError("role"),
    NotFoundError("there is no cluster 'icos-cluster-b'", nearest=("icos-cluster-a",)),
    VersionGoneError(
        "continue token: the topology that it is of is gone; ask for the first page again", parameter="continue"
    ),
    KeysMissingError("keys"),
    NoTopologyError("no topology yet: query oldest_sample: connection refused"),
)
PROBLEMS: Mapping[int, Any] = {document["status"]: document for document in map(problem, _REFUSED)}
