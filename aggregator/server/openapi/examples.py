"""The examples in the OpenAPI document. Tests send the requests and compare the responses.

Problem documents come from the code that refuses the request, and rows of the quality from the catalog, so that their
texts are always current.
"""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote, urlencode

from aggregator.errors import (
    KeysUnavailableError,
    NotFoundError,
    NoTopologyError,
    PermissionDeniedError,
    RequestError,
    UnauthenticatedError,
    VersionGoneError,
)
from aggregator.lookup.fields import ObjectKind
from aggregator.lookup.instants import TIME_PARAMETER
from aggregator.lookup.request import CONTINUE_PARAMETER, ContinueToken, LookupOptions, LookupPlan, Resource
from aggregator.lookup.results import CLUSTER_NOT_FOUND_MESSAGE, VERSION_GONE_MESSAGE, compute_request_digest
from aggregator.models.builder.merge import Contradiction, UnplacedTarget
from aggregator.models.builder.relabel import UNKNOWN_HOST_REASON
from aggregator.models.catalog.default_catalog import compose_default_catalog
from aggregator.models.quality import (
    NO_RESULTS_REASON,
    FamilyTotals,
    LimitedField,
    OmittedSamples,
    Quality,
    QualityTotals,
    QueryResult,
    RowQuality,
    SourceReport,
    UnfilledField,
    UnplacedObjects,
)
from aggregator.refresh.past import build_no_data_error
from aggregator.server.http.responses import (
    API_V1_PATH,
    PROBLEM_TYPE_BASE_URL,
    PROBLEM_TYPES,
    build_problem,
    build_unknown_parameter_error,
)

EXAMPLE_NAMES = {
    "cluster": "icos-south",
    "node": "athens-master",
    "namespace": "icos-system",
    "pod": "telemetry-agent-cdn6r",
}

FILTER_LANGUAGE_DESCRIPTION = (
    "One cluster, node or pod by name, and lists of them. Lists have one filter language, over HTTP and gRPC: "
    "comma-separated requirements, all of which must match.\n\n"
    "| requirement | matches if |\n|---|---|\n"
    "| `phase`, `!phase` | the field is known, or unknown |\n"
    "| `phase=Running`, `phase!=Running` | the field has, or does not have, this value |\n"
    "| `phase in (Running,Pending)`, `phase notin (Failed)` | the field has, or does not have, one of these values |\n"
    "| `available_memory_bytes>=4Gi` | a number is `<`, `<=`, `>`, `>=` another one, with Kubernetes suffixes |\n"
    "| `last_seen_time>2026-11-20T20:57:08Z` | a time is before or after another one |\n"
    "| `last_seen_time<-5m` | a time is more than 5 minutes before the newest sample of the topology |\n"
    "| `image~nginx`, `image!~nginx` | a string contains, or does not contain, this text |\n\n"
    "An unknown field matches only `!`, `!=`, `notin` and `!~`. A field with several values matches if one of them "
    "does. Put a value that contains a space, a comma or any of `()=!<>~\"'*^$|&` in double quotes. In a URL, "
    "percent-encode special characters: `>` is `%3E`, `+` is `%2B`.\n\n"
    "Errors are problem documents (RFC 9457). Their `type` is one of:\n\n"
    + "".join(
        f"* `{PROBLEM_TYPE_BASE_URL}{kind}` ({status}): {title}\n" for status, (kind, title) in PROBLEM_TYPES.items()
    )
)

FILTER_EXAMPLES: Mapping[ObjectKind, tuple[str, ...]] = {
    ObjectKind.CLUSTERS: ("type=ocm", "node.architecture=aarch64", "is_linked=false"),
    ObjectKind.NODES: (
        "available_memory_bytes>=4Gi",
        "architecture in (x86_64,aarch64),cpu_cores>2",
        "device.state=available",
        "label.region=south,!gpu_count",
        "last_seen_time>=-5m",
        "country=GR,!gpu_count",
        'name!="a, b"',
    ),
    ObjectKind.PODS: ("phase!=Failed", "node=athens-master,namespace in (kube-system,icos-system)", "image~cilium"),
    ObjectKind.CONTAINERS: ("cpu_usage_cores>50m", "cluster=icos-south,memory_bytes>=256Mi"),
}

LABEL_SELECTOR_EXAMPLES = ("region=south", "region in (north,south),!app.kubernetes.io/name")

FIELDS_EXAMPLES: Mapping[ObjectKind | None, tuple[str, ...]] = {
    None: ("version,clusters.name", "clusters.nodes.availableMemoryBytes"),
    ObjectKind.CLUSTERS: ("name,type", "name,nodes.name"),
    ObjectKind.NODES: ("name,available_memory_bytes", "name,interfaces.addresses.ip"),
    ObjectKind.PODS: ("name,namespace,phase", "name,containers.image"),
    ObjectKind.CONTAINERS: ("pod,name,image",),
}

TIME_EXAMPLES = ("2026-11-20T20:57:08Z", "1795208228", "-1h")

_NODE_EXAMPLE = {
    "id": "cd613e30-d8f1-4adf-91b7-584a2265b1f5/b2221a58008a05a6c4647159c324c985",
    "name": "athens-master",
    "cluster": "icos-south",
    "type": "ocm",
    "lastSeenTime": "2026-11-20T20:56:00Z",
    "architecture": "x86_64",
    "cpuCores": 4,
    "availableMemoryBytes": "4638564679",
    "devices": [{"name": "usb-serial_10c4_ea60", "state": "DEVICE_STATE_AVAILABLE", "path": "squat.ai/serial"}],
}

_POD_ID_EXAMPLE = "b9365c98-0e2a-47ae-9877-cdb877eae310"

_CONTAINER_EXAMPLE = {
    "id": f"{_POD_ID_EXAMPLE}/telemetry-agent",
    "name": "telemetry-agent",
    "image": "registry.example/icos-system/telemetry-agent:1.1",
    "cpuUsageCores": 0.037442,
    "memoryBytes": "260330390",
}

_CONTAINER_LOCATION_EXAMPLE = {
    "cluster": "icos-south",
    "namespace": "icos-system",
    "pod": "telemetry-agent-cdn6r",
    "node": "athens-master",
}

_POD_EXAMPLE = {
    "id": _POD_ID_EXAMPLE,
    "name": "telemetry-agent-cdn6r",
    "namespace": "icos-system",
    "cluster": "icos-south",
    "node": "athens-master",
    "phase": "Running",
    "containers": [_CONTAINER_EXAMPLE],
}

_CLUSTER_EXAMPLE = {"id": "cd613e30-d8f1-4adf-91b7-584a2265b1f5", "name": "icos-south", "type": "ocm", "isLinked": True}

_VERSION_EXAMPLE = {"version": "9a1f5c1e8d7b4f60a3c2b1d0e9f8a7b6"}

_LIST_METADATA_EXAMPLE = {**_VERSION_EXAMPLE, "totalCount": 1}

RESPONSE_EXAMPLES: Mapping[Resource, Any] = {
    Resource.TOPOLOGY: {
        **_VERSION_EXAMPLE,
        "clusters": [{**_CLUSTER_EXAMPLE, "nodes": [_NODE_EXAMPLE], "pods": [_POD_EXAMPLE]}],
    },
    Resource.CLUSTERS: {"clusters": [_CLUSTER_EXAMPLE], **_LIST_METADATA_EXAMPLE},
    Resource.CLUSTER: {**_CLUSTER_EXAMPLE, "nodes": [_NODE_EXAMPLE], "pods": [_POD_EXAMPLE]},
    Resource.NODES: {"nodes": [_NODE_EXAMPLE], **_LIST_METADATA_EXAMPLE},
    Resource.NODE: _NODE_EXAMPLE,
    Resource.PODS: {"pods": [_POD_EXAMPLE], **_LIST_METADATA_EXAMPLE},
    Resource.POD: _POD_EXAMPLE,
    Resource.CONTAINERS: {
        "containers": [{**_CONTAINER_EXAMPLE, **_CONTAINER_LOCATION_EXAMPLE}],
        **_LIST_METADATA_EXAMPLE,
    },
}


LEGACY_EXAMPLE = {
    "timestamp": {"oldestTimestamp": 1795208160, "timeSinceOldest": 0.63},
    "cluster": {
        "icos-south": {
            "type": "ocm",
            "uuid": "cd613e30-d8f1-4adf-91b7-584a2265b1f5",
            "name": "icos-south",
            "serviceLevelAgreement": {},
            "API": {},
            "node": {
                "athens-master": {
                    "type": "ocm",
                    "uuid": "b2221a58008a05a6c4647159c324c985",
                    "name": "athens-master",
                    "location": {"latitude": 37.9838, "longitude": 23.7275},
                    "staticMetrics": {"cpuArchitecture": "x86_64", "cpuCores": 4, "RAMMemory": 17179869184},
                    "dynamicMetrics": {"freeRAM": 4638564679, "availableStorage": {"name": "/dev/nvme0n1p2"}},
                }
            },
        }
    },
}


def _build_example_row(name: str, source: SourceReport, **counts: Any) -> RowQuality:
    """Return the quality of a row of the default catalog."""
    (row,) = (row for row in compose_default_catalog() if row.name == name)
    no_counts = {"unplaced": (), "dropped": (), "conflicts": ()}
    return RowQuality(
        name=row.name,
        note=row.description,
        exporter=str(row.exporter),
        promql=row.expression.text,
        samples=source.samples or 0,
        sources=(source,),
        **no_counts | counts,
    )


QUALITY_EXAMPLE = Quality(
    refresh_seconds=1795208230.5,
    refresh_duration_seconds=0.25,
    topology_version="6d1f0c5f2b1e4a7c9d3e8f7a6b5c4d3e",
    complete=False,
    totals=QualityTotals(
        clusters=1,
        nodes=2,
        pods=0,
        containers=0,
        queries=2,
        failed_queries=0,
        stood_in_queries=1,
        samples=5,
        placed_samples=4,
        unplaced_samples=1,
        dropped_samples=0,
        conflicting_samples=0,
        warnings=1,
    ),
    rows=(
        _build_example_row(
            "memory_free",
            SourceReport(
                "prometheus:9090",
                QueryResult.OK,
                0.012,
                samples=3,
                age_seconds=0.0,
                warnings=("a store did not respond",),
            ),
            placed_samples=2,
            unplaced=(OmittedSamples("no node matches its labels", 1),),
        ),
        _build_example_row(
            "uptime",
            SourceReport(
                "prometheus:9090",
                QueryResult.STOOD_IN,
                5.0,
                "no response before the refresh timed out",
                2,
                age_seconds=10.0,
            ),
            placed_samples=2,
            dropped=(OmittedSamples("not a number", 1),),
            conflicts=(OmittedSamples("uptime_seconds", 1),),
        ),
    ),
    unplaced_objects=(UnplacedObjects("nodes", "belongs to no known cluster", 1),),
    unfilled_fields=(
        UnfilledField(
            "Node",
            "temperature_celsius",
            NO_RESULTS_REASON,
            ("temperature",),
            ("node_exporter, collector thermal_zone",),
        ),
    ),
    vanished=("cluster edge-b with 3 nodes, 20 s ago",),
    unplaced_targets=(UnplacedTarget("edge-b", "node", "192.0.2.9:9100", UNKNOWN_HOST_REASON),),
    families=(FamilyTotals("icos", 2, 5), FamilyTotals("kubernetes", 1, 3)),
    contradictions=(Contradiction("nodes_by_uname", "name", "edge-b", "10.0.0.7", ("raspberrypi", "raspberrypi-2")),),
    limited_fields=(LimitedField("Node", "cpu_usage_percent", "less than 0", 1),),
)

# The `examples` of OpenAPI: by name, a summary that says how to cause the response, and its body.
OpenApiExamples = Mapping[str, Any]

NO_TOPOLOGY_MESSAGE = "no topology yet: query oldest_sample: connection refused"

NO_TOKEN_SCENARIO = {"no token": "without a token, where tokens are required"}

NO_ROLE_SCENARIO = {"no role": "with a valid token that has no role that grants access"}

NO_TOPOLOGY_SCENARIO = {"no topology": "before the first successful refresh"}

NO_KEYS_SCENARIO = {"no keys": "with a token, before the keys of the issuer are loaded"}

MISSPELLED_CLUSTER = "icos-sout"

_UNKNOWN_VERSION = "0" * 32


def build_example(scenario: Mapping[str, str], value: Any) -> OpenApiExamples:
    """Return one example of a response, with the scenario that causes it as its summary."""
    ((name, summary),) = scenario.items()
    return {name: {"summary": summary, "value": value}}


# Problems that do not depend on the path.
COMMON_PROBLEM_EXAMPLES: Mapping[int, OpenApiExamples] = {
    401: build_example(NO_TOKEN_SCENARIO, build_problem(UnauthenticatedError("no token"))),
    403: build_example(NO_ROLE_SCENARIO, build_problem(PermissionDeniedError("role"))),
    503: {
        **build_example(NO_TOPOLOGY_SCENARIO, build_problem(NoTopologyError(NO_TOPOLOGY_MESSAGE))),
        **build_example(NO_KEYS_SCENARIO, build_problem(KeysUnavailableError("keys"))),
    },
}


def build_no_data_example(request_line: str) -> OpenApiExamples:
    """Return the example of the problem with an instant before the data, for a request line without a query string."""
    return build_example(
        {"no data at this time": f"{request_line}?{TIME_PARAMETER}=0"},
        build_problem(build_no_data_error(0, TIME_PARAMETER)),
    )


def build_problem_examples(path: str, resource: Resource, parameters: Sequence[str]) -> Mapping[int, OpenApiExamples]:
    """Return the examples of all problems at a path below /api/v1, by status."""
    names = [segment.strip("{}") for segment in path.split("/") if segment.startswith("{")]
    examples: dict[int, OpenApiExamples] = {
        400: _build_bad_request_examples(path, resource, parameters),
        **COMMON_PROBLEM_EXAMPLES,
    }
    examples[404] = build_no_data_example(_format_request_line(path, EXAMPLE_NAMES))
    if names:
        misspelled_names = {**EXAMPLE_NAMES, "cluster": MISSPELLED_CLUSTER}
        not_found = NotFoundError(
            f"{CLUSTER_NOT_FOUND_MESSAGE} {MISSPELLED_CLUSTER!r}", nearest=("icos-south", "icos-north")
        )
        unknown_cluster = {"unknown cluster": _format_request_line(path, misspelled_names)}
        examples[404] = {**examples[404], **build_example(unknown_cluster, build_problem(not_found))}
    if not resource.is_single:
        request_digest = compute_request_digest(
            LookupPlan(resource, LookupOptions(limit=1)), [EXAMPLE_NAMES[name] for name in names]
        )
        query = {"limit": "1", CONTINUE_PARAMETER: str(ContinueToken(_UNKNOWN_VERSION, request_digest, 2, 1))}
        version_gone = VersionGoneError(VERSION_GONE_MESSAGE, parameter=CONTINUE_PARAMETER)
        examples[410] = build_example(
            {"version gone": _format_request_line(path, EXAMPLE_NAMES, query)}, build_problem(version_gone)
        )
    return examples


def _build_bad_request_examples(path: str, resource: Resource, parameters: Sequence[str]) -> OpenApiExamples:
    request_line = _format_request_line(path, EXAMPLE_NAMES, {"colour": "blue"})
    error: RequestError = build_unknown_parameter_error("colour", parameters)
    examples = dict(build_example({"unknown parameter": request_line}, build_problem(error)))
    if not resource.is_single:
        filter_text = "available_memory>1"
        request_line = _format_request_line(path, EXAMPLE_NAMES, {"filter": filter_text})
        error = _capture_filter_error(resource, filter_text)
        examples |= build_example({"unknown field": request_line}, build_problem(error))
    return examples


def _capture_filter_error(resource: Resource, filter_text: str) -> RequestError:
    try:
        LookupPlan(resource, LookupOptions(filter=filter_text))
    except RequestError as error:
        return error
    raise AssertionError(filter_text)


def _format_request_line(path: str, names: Mapping[str, str], query: Mapping[str, str] | None = None) -> str:
    filled = "/".join(quote(names[part.strip("{}")]) if part.startswith("{") else part for part in path.split("/"))
    return f"GET {API_V1_PATH}/{filled}" + (f"?{urlencode(query)}" if query else "")
