import datetime

from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import field_mask_pb2 as _field_mask_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class FreeSource(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    FREE_SOURCE_UNSPECIFIED: _ClassVar[FreeSource]
    FREE_SOURCE_REQUESTS: _ClassVar[FreeSource]
    FREE_SOURCE_MEASURED: _ClassVar[FreeSource]

class RejectionReason(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    REJECTION_REASON_UNSPECIFIED: _ClassVar[RejectionReason]
    REJECTION_REASON_INSUFFICIENT_CPU: _ClassVar[RejectionReason]
    REJECTION_REASON_INSUFFICIENT_MEMORY: _ClassVar[RejectionReason]
    REJECTION_REASON_INSUFFICIENT_PODS: _ClassVar[RejectionReason]
    REJECTION_REASON_INSUFFICIENT_GPUS: _ClassVar[RejectionReason]
    REJECTION_REASON_NOT_READY: _ClassVar[RejectionReason]
    REJECTION_REASON_CORDONED: _ClassVar[RejectionReason]
    REJECTION_REASON_UNTOLERATED_TAINT: _ClassVar[RejectionReason]
    REJECTION_REASON_LABEL_MISMATCH: _ClassVar[RejectionReason]
    REJECTION_REASON_ARCHITECTURE: _ClassVar[RejectionReason]
    REJECTION_REASON_DEVICE: _ClassVar[RejectionReason]
    REJECTION_REASON_CLUSTER: _ClassVar[RejectionReason]
    REJECTION_REASON_CLUSTER_TYPE: _ClassVar[RejectionReason]
    REJECTION_REASON_COUNTRY: _ClassVar[RejectionReason]
    REJECTION_REASON_CONTINENT: _ClassVar[RejectionReason]
    REJECTION_REASON_DISTANCE: _ClassVar[RejectionReason]
    REJECTION_REASON_SECURITY_SCORE: _ClassVar[RejectionReason]
    REJECTION_REASON_VULNERABILITIES: _ClassVar[RejectionReason]
    REJECTION_REASON_GONE: _ClassVar[RejectionReason]
    REJECTION_REASON_POWER: _ClassVar[RejectionReason]
    REJECTION_REASON_UNKNOWN_CPU: _ClassVar[RejectionReason]
    REJECTION_REASON_UNKNOWN_MEMORY: _ClassVar[RejectionReason]
    REJECTION_REASON_UNKNOWN_PODS: _ClassVar[RejectionReason]
    REJECTION_REASON_UNKNOWN_GPUS: _ClassVar[RejectionReason]
    REJECTION_REASON_UNKNOWN_ARCHITECTURE: _ClassVar[RejectionReason]
    REJECTION_REASON_UNKNOWN_DEVICE_STATE: _ClassVar[RejectionReason]
    REJECTION_REASON_UNKNOWN_LOCATION: _ClassVar[RejectionReason]
    REJECTION_REASON_UNKNOWN_SECURITY_SCORE: _ClassVar[RejectionReason]
    REJECTION_REASON_UNKNOWN_VULNERABILITIES: _ClassVar[RejectionReason]
    REJECTION_REASON_UNKNOWN_POWER: _ClassVar[RejectionReason]

class DeviceState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    DEVICE_STATE_UNSPECIFIED: _ClassVar[DeviceState]
    DEVICE_STATE_DETACHED: _ClassVar[DeviceState]
    DEVICE_STATE_BUSY: _ClassVar[DeviceState]
    DEVICE_STATE_AVAILABLE: _ClassVar[DeviceState]

class QueryResult(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    QUERY_RESULT_UNSPECIFIED: _ClassVar[QueryResult]
    QUERY_RESULT_OK: _ClassVar[QueryResult]
    QUERY_RESULT_STOOD_IN: _ClassVar[QueryResult]
    QUERY_RESULT_FAILED: _ClassVar[QueryResult]
FREE_SOURCE_UNSPECIFIED: FreeSource
FREE_SOURCE_REQUESTS: FreeSource
FREE_SOURCE_MEASURED: FreeSource
REJECTION_REASON_UNSPECIFIED: RejectionReason
REJECTION_REASON_INSUFFICIENT_CPU: RejectionReason
REJECTION_REASON_INSUFFICIENT_MEMORY: RejectionReason
REJECTION_REASON_INSUFFICIENT_PODS: RejectionReason
REJECTION_REASON_INSUFFICIENT_GPUS: RejectionReason
REJECTION_REASON_NOT_READY: RejectionReason
REJECTION_REASON_CORDONED: RejectionReason
REJECTION_REASON_UNTOLERATED_TAINT: RejectionReason
REJECTION_REASON_LABEL_MISMATCH: RejectionReason
REJECTION_REASON_ARCHITECTURE: RejectionReason
REJECTION_REASON_DEVICE: RejectionReason
REJECTION_REASON_CLUSTER: RejectionReason
REJECTION_REASON_CLUSTER_TYPE: RejectionReason
REJECTION_REASON_COUNTRY: RejectionReason
REJECTION_REASON_CONTINENT: RejectionReason
REJECTION_REASON_DISTANCE: RejectionReason
REJECTION_REASON_SECURITY_SCORE: RejectionReason
REJECTION_REASON_VULNERABILITIES: RejectionReason
REJECTION_REASON_GONE: RejectionReason
REJECTION_REASON_POWER: RejectionReason
REJECTION_REASON_UNKNOWN_CPU: RejectionReason
REJECTION_REASON_UNKNOWN_MEMORY: RejectionReason
REJECTION_REASON_UNKNOWN_PODS: RejectionReason
REJECTION_REASON_UNKNOWN_GPUS: RejectionReason
REJECTION_REASON_UNKNOWN_ARCHITECTURE: RejectionReason
REJECTION_REASON_UNKNOWN_DEVICE_STATE: RejectionReason
REJECTION_REASON_UNKNOWN_LOCATION: RejectionReason
REJECTION_REASON_UNKNOWN_SECURITY_SCORE: RejectionReason
REJECTION_REASON_UNKNOWN_VULNERABILITIES: RejectionReason
REJECTION_REASON_UNKNOWN_POWER: RejectionReason
DEVICE_STATE_UNSPECIFIED: DeviceState
DEVICE_STATE_DETACHED: DeviceState
DEVICE_STATE_BUSY: DeviceState
DEVICE_STATE_AVAILABLE: DeviceState
QUERY_RESULT_UNSPECIFIED: QueryResult
QUERY_RESULT_OK: QueryResult
QUERY_RESULT_STOOD_IN: QueryResult
QUERY_RESULT_FAILED: QueryResult

class GetTopologyRequest(_message.Message):
    __slots__ = ("fields", "depth", "known_version")
    FIELDS_FIELD_NUMBER: _ClassVar[int]
    DEPTH_FIELD_NUMBER: _ClassVar[int]
    KNOWN_VERSION_FIELD_NUMBER: _ClassVar[int]
    fields: _field_mask_pb2.FieldMask
    depth: int
    known_version: str
    def __init__(self, fields: _Optional[_Union[_field_mask_pb2.FieldMask, _Mapping]] = ..., depth: _Optional[int] = ..., known_version: _Optional[str] = ...) -> None: ...

class ListClustersRequest(_message.Message):
    __slots__ = ("filter", "fields", "depth", "limit", "continue_token")
    FILTER_FIELD_NUMBER: _ClassVar[int]
    FIELDS_FIELD_NUMBER: _ClassVar[int]
    DEPTH_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    CONTINUE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    filter: str
    fields: _field_mask_pb2.FieldMask
    depth: int
    limit: int
    continue_token: str
    def __init__(self, filter: _Optional[str] = ..., fields: _Optional[_Union[_field_mask_pb2.FieldMask, _Mapping]] = ..., depth: _Optional[int] = ..., limit: _Optional[int] = ..., continue_token: _Optional[str] = ...) -> None: ...

class ListClustersResponse(_message.Message):
    __slots__ = ("clusters", "version", "total_count", "continue_token")
    CLUSTERS_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    TOTAL_COUNT_FIELD_NUMBER: _ClassVar[int]
    CONTINUE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    clusters: _containers.RepeatedCompositeFieldContainer[Cluster]
    version: str
    total_count: int
    continue_token: str
    def __init__(self, clusters: _Optional[_Iterable[_Union[Cluster, _Mapping]]] = ..., version: _Optional[str] = ..., total_count: _Optional[int] = ..., continue_token: _Optional[str] = ...) -> None: ...

class GetClusterRequest(_message.Message):
    __slots__ = ("cluster", "fields", "depth")
    CLUSTER_FIELD_NUMBER: _ClassVar[int]
    FIELDS_FIELD_NUMBER: _ClassVar[int]
    DEPTH_FIELD_NUMBER: _ClassVar[int]
    cluster: str
    fields: _field_mask_pb2.FieldMask
    depth: int
    def __init__(self, cluster: _Optional[str] = ..., fields: _Optional[_Union[_field_mask_pb2.FieldMask, _Mapping]] = ..., depth: _Optional[int] = ...) -> None: ...

class ListNodesRequest(_message.Message):
    __slots__ = ("cluster", "filter", "label_selector", "fields", "depth", "limit", "continue_token")
    CLUSTER_FIELD_NUMBER: _ClassVar[int]
    FILTER_FIELD_NUMBER: _ClassVar[int]
    LABEL_SELECTOR_FIELD_NUMBER: _ClassVar[int]
    FIELDS_FIELD_NUMBER: _ClassVar[int]
    DEPTH_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    CONTINUE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    cluster: str
    filter: str
    label_selector: str
    fields: _field_mask_pb2.FieldMask
    depth: int
    limit: int
    continue_token: str
    def __init__(self, cluster: _Optional[str] = ..., filter: _Optional[str] = ..., label_selector: _Optional[str] = ..., fields: _Optional[_Union[_field_mask_pb2.FieldMask, _Mapping]] = ..., depth: _Optional[int] = ..., limit: _Optional[int] = ..., continue_token: _Optional[str] = ...) -> None: ...

class ListNodesResponse(_message.Message):
    __slots__ = ("nodes", "version", "total_count", "continue_token")
    NODES_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    TOTAL_COUNT_FIELD_NUMBER: _ClassVar[int]
    CONTINUE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    nodes: _containers.RepeatedCompositeFieldContainer[Node]
    version: str
    total_count: int
    continue_token: str
    def __init__(self, nodes: _Optional[_Iterable[_Union[Node, _Mapping]]] = ..., version: _Optional[str] = ..., total_count: _Optional[int] = ..., continue_token: _Optional[str] = ...) -> None: ...

class GetNodeRequest(_message.Message):
    __slots__ = ("cluster", "node", "fields", "depth")
    CLUSTER_FIELD_NUMBER: _ClassVar[int]
    NODE_FIELD_NUMBER: _ClassVar[int]
    FIELDS_FIELD_NUMBER: _ClassVar[int]
    DEPTH_FIELD_NUMBER: _ClassVar[int]
    cluster: str
    node: str
    fields: _field_mask_pb2.FieldMask
    depth: int
    def __init__(self, cluster: _Optional[str] = ..., node: _Optional[str] = ..., fields: _Optional[_Union[_field_mask_pb2.FieldMask, _Mapping]] = ..., depth: _Optional[int] = ...) -> None: ...

class ListPodsRequest(_message.Message):
    __slots__ = ("cluster", "filter", "fields", "depth", "limit", "continue_token")
    CLUSTER_FIELD_NUMBER: _ClassVar[int]
    FILTER_FIELD_NUMBER: _ClassVar[int]
    FIELDS_FIELD_NUMBER: _ClassVar[int]
    DEPTH_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    CONTINUE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    cluster: str
    filter: str
    fields: _field_mask_pb2.FieldMask
    depth: int
    limit: int
    continue_token: str
    def __init__(self, cluster: _Optional[str] = ..., filter: _Optional[str] = ..., fields: _Optional[_Union[_field_mask_pb2.FieldMask, _Mapping]] = ..., depth: _Optional[int] = ..., limit: _Optional[int] = ..., continue_token: _Optional[str] = ...) -> None: ...

class ListPodsResponse(_message.Message):
    __slots__ = ("pods", "version", "total_count", "continue_token")
    PODS_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    TOTAL_COUNT_FIELD_NUMBER: _ClassVar[int]
    CONTINUE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    pods: _containers.RepeatedCompositeFieldContainer[Pod]
    version: str
    total_count: int
    continue_token: str
    def __init__(self, pods: _Optional[_Iterable[_Union[Pod, _Mapping]]] = ..., version: _Optional[str] = ..., total_count: _Optional[int] = ..., continue_token: _Optional[str] = ...) -> None: ...

class GetPodRequest(_message.Message):
    __slots__ = ("cluster", "namespace", "pod", "fields", "depth")
    CLUSTER_FIELD_NUMBER: _ClassVar[int]
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    POD_FIELD_NUMBER: _ClassVar[int]
    FIELDS_FIELD_NUMBER: _ClassVar[int]
    DEPTH_FIELD_NUMBER: _ClassVar[int]
    cluster: str
    namespace: str
    pod: str
    fields: _field_mask_pb2.FieldMask
    depth: int
    def __init__(self, cluster: _Optional[str] = ..., namespace: _Optional[str] = ..., pod: _Optional[str] = ..., fields: _Optional[_Union[_field_mask_pb2.FieldMask, _Mapping]] = ..., depth: _Optional[int] = ...) -> None: ...

class ListContainersRequest(_message.Message):
    __slots__ = ("filter", "fields", "limit", "continue_token")
    FILTER_FIELD_NUMBER: _ClassVar[int]
    FIELDS_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    CONTINUE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    filter: str
    fields: _field_mask_pb2.FieldMask
    limit: int
    continue_token: str
    def __init__(self, filter: _Optional[str] = ..., fields: _Optional[_Union[_field_mask_pb2.FieldMask, _Mapping]] = ..., limit: _Optional[int] = ..., continue_token: _Optional[str] = ...) -> None: ...

class ListContainersResponse(_message.Message):
    __slots__ = ("containers", "version", "total_count", "continue_token")
    CONTAINERS_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    TOTAL_COUNT_FIELD_NUMBER: _ClassVar[int]
    CONTINUE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    containers: _containers.RepeatedCompositeFieldContainer[Container]
    version: str
    total_count: int
    continue_token: str
    def __init__(self, containers: _Optional[_Iterable[_Union[Container, _Mapping]]] = ..., version: _Optional[str] = ..., total_count: _Optional[int] = ..., continue_token: _Optional[str] = ...) -> None: ...

class GetQualityRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class StreamTopologyRequest(_message.Message):
    __slots__ = ("known_version",)
    KNOWN_VERSION_FIELD_NUMBER: _ClassVar[int]
    known_version: str
    def __init__(self, known_version: _Optional[str] = ...) -> None: ...

class FindCandidatesRequest(_message.Message):
    __slots__ = ("cpu_cores", "memory_bytes", "architecture", "gpu_count", "devices", "node_selector", "label_expressions", "tolerations", "clusters", "cluster_types", "countries", "continents", "near", "min_security_score", "max_critical_vulnerabilities", "limit", "rejected_limit", "max_per_cluster", "ranking", "if_version", "max_power_watts")
    class NodeSelectorEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    CPU_CORES_FIELD_NUMBER: _ClassVar[int]
    MEMORY_BYTES_FIELD_NUMBER: _ClassVar[int]
    ARCHITECTURE_FIELD_NUMBER: _ClassVar[int]
    GPU_COUNT_FIELD_NUMBER: _ClassVar[int]
    DEVICES_FIELD_NUMBER: _ClassVar[int]
    NODE_SELECTOR_FIELD_NUMBER: _ClassVar[int]
    LABEL_EXPRESSIONS_FIELD_NUMBER: _ClassVar[int]
    TOLERATIONS_FIELD_NUMBER: _ClassVar[int]
    CLUSTERS_FIELD_NUMBER: _ClassVar[int]
    CLUSTER_TYPES_FIELD_NUMBER: _ClassVar[int]
    COUNTRIES_FIELD_NUMBER: _ClassVar[int]
    CONTINENTS_FIELD_NUMBER: _ClassVar[int]
    NEAR_FIELD_NUMBER: _ClassVar[int]
    MIN_SECURITY_SCORE_FIELD_NUMBER: _ClassVar[int]
    MAX_CRITICAL_VULNERABILITIES_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    REJECTED_LIMIT_FIELD_NUMBER: _ClassVar[int]
    MAX_PER_CLUSTER_FIELD_NUMBER: _ClassVar[int]
    RANKING_FIELD_NUMBER: _ClassVar[int]
    IF_VERSION_FIELD_NUMBER: _ClassVar[int]
    MAX_POWER_WATTS_FIELD_NUMBER: _ClassVar[int]
    cpu_cores: float
    memory_bytes: int
    architecture: str
    gpu_count: int
    devices: _containers.RepeatedScalarFieldContainer[str]
    node_selector: _containers.ScalarMap[str, str]
    label_expressions: _containers.RepeatedCompositeFieldContainer[LabelExpression]
    tolerations: _containers.RepeatedCompositeFieldContainer[Toleration]
    clusters: _containers.RepeatedScalarFieldContainer[str]
    cluster_types: _containers.RepeatedScalarFieldContainer[str]
    countries: _containers.RepeatedScalarFieldContainer[str]
    continents: _containers.RepeatedScalarFieldContainer[str]
    near: Near
    min_security_score: int
    max_critical_vulnerabilities: int
    limit: int
    rejected_limit: int
    max_per_cluster: int
    ranking: Ranking
    if_version: str
    max_power_watts: float
    def __init__(self, cpu_cores: _Optional[float] = ..., memory_bytes: _Optional[int] = ..., architecture: _Optional[str] = ..., gpu_count: _Optional[int] = ..., devices: _Optional[_Iterable[str]] = ..., node_selector: _Optional[_Mapping[str, str]] = ..., label_expressions: _Optional[_Iterable[_Union[LabelExpression, _Mapping]]] = ..., tolerations: _Optional[_Iterable[_Union[Toleration, _Mapping]]] = ..., clusters: _Optional[_Iterable[str]] = ..., cluster_types: _Optional[_Iterable[str]] = ..., countries: _Optional[_Iterable[str]] = ..., continents: _Optional[_Iterable[str]] = ..., near: _Optional[_Union[Near, _Mapping]] = ..., min_security_score: _Optional[int] = ..., max_critical_vulnerabilities: _Optional[int] = ..., limit: _Optional[int] = ..., rejected_limit: _Optional[int] = ..., max_per_cluster: _Optional[int] = ..., ranking: _Optional[_Union[Ranking, _Mapping]] = ..., if_version: _Optional[str] = ..., max_power_watts: _Optional[float] = ...) -> None: ...

class LabelExpression(_message.Message):
    __slots__ = ("key", "operator", "values")
    KEY_FIELD_NUMBER: _ClassVar[int]
    OPERATOR_FIELD_NUMBER: _ClassVar[int]
    VALUES_FIELD_NUMBER: _ClassVar[int]
    key: str
    operator: str
    values: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, key: _Optional[str] = ..., operator: _Optional[str] = ..., values: _Optional[_Iterable[str]] = ...) -> None: ...

class Toleration(_message.Message):
    __slots__ = ("key", "operator", "value", "effect", "toleration_seconds")
    KEY_FIELD_NUMBER: _ClassVar[int]
    OPERATOR_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    EFFECT_FIELD_NUMBER: _ClassVar[int]
    TOLERATION_SECONDS_FIELD_NUMBER: _ClassVar[int]
    key: str
    operator: str
    value: str
    effect: str
    toleration_seconds: int
    def __init__(self, key: _Optional[str] = ..., operator: _Optional[str] = ..., value: _Optional[str] = ..., effect: _Optional[str] = ..., toleration_seconds: _Optional[int] = ...) -> None: ...

class Near(_message.Message):
    __slots__ = ("latitude", "longitude", "max_distance_km")
    LATITUDE_FIELD_NUMBER: _ClassVar[int]
    LONGITUDE_FIELD_NUMBER: _ClassVar[int]
    MAX_DISTANCE_KM_FIELD_NUMBER: _ClassVar[int]
    latitude: float
    longitude: float
    max_distance_km: float
    def __init__(self, latitude: _Optional[float] = ..., longitude: _Optional[float] = ..., max_distance_km: _Optional[float] = ...) -> None: ...

class Ranking(_message.Message):
    __slots__ = ("free_cpu", "free_memory", "security", "distance", "energy", "spread")
    FREE_CPU_FIELD_NUMBER: _ClassVar[int]
    FREE_MEMORY_FIELD_NUMBER: _ClassVar[int]
    SECURITY_FIELD_NUMBER: _ClassVar[int]
    DISTANCE_FIELD_NUMBER: _ClassVar[int]
    ENERGY_FIELD_NUMBER: _ClassVar[int]
    SPREAD_FIELD_NUMBER: _ClassVar[int]
    free_cpu: float
    free_memory: float
    security: float
    distance: float
    energy: float
    spread: float
    def __init__(self, free_cpu: _Optional[float] = ..., free_memory: _Optional[float] = ..., security: _Optional[float] = ..., distance: _Optional[float] = ..., energy: _Optional[float] = ..., spread: _Optional[float] = ...) -> None: ...

class FindCandidatesResponse(_message.Message):
    __slots__ = ("version", "candidates", "rejected", "totals")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    CANDIDATES_FIELD_NUMBER: _ClassVar[int]
    REJECTED_FIELD_NUMBER: _ClassVar[int]
    TOTALS_FIELD_NUMBER: _ClassVar[int]
    version: str
    candidates: _containers.RepeatedCompositeFieldContainer[Candidate]
    rejected: _containers.RepeatedCompositeFieldContainer[RejectedNode]
    totals: CandidateTotals
    def __init__(self, version: _Optional[str] = ..., candidates: _Optional[_Iterable[_Union[Candidate, _Mapping]]] = ..., rejected: _Optional[_Iterable[_Union[RejectedNode, _Mapping]]] = ..., totals: _Optional[_Union[CandidateTotals, _Mapping]] = ...) -> None: ...

class Candidate(_message.Message):
    __slots__ = ("id", "cluster", "node", "score", "scores", "free_cpu_cores", "free_cpu_source", "free_memory_bytes", "free_memory_source", "free_pods", "distance_km", "is_ready", "avoided_taints")
    ID_FIELD_NUMBER: _ClassVar[int]
    CLUSTER_FIELD_NUMBER: _ClassVar[int]
    NODE_FIELD_NUMBER: _ClassVar[int]
    SCORE_FIELD_NUMBER: _ClassVar[int]
    SCORES_FIELD_NUMBER: _ClassVar[int]
    FREE_CPU_CORES_FIELD_NUMBER: _ClassVar[int]
    FREE_CPU_SOURCE_FIELD_NUMBER: _ClassVar[int]
    FREE_MEMORY_BYTES_FIELD_NUMBER: _ClassVar[int]
    FREE_MEMORY_SOURCE_FIELD_NUMBER: _ClassVar[int]
    FREE_PODS_FIELD_NUMBER: _ClassVar[int]
    DISTANCE_KM_FIELD_NUMBER: _ClassVar[int]
    IS_READY_FIELD_NUMBER: _ClassVar[int]
    AVOIDED_TAINTS_FIELD_NUMBER: _ClassVar[int]
    id: str
    cluster: str
    node: str
    score: float
    scores: CriterionScores
    free_cpu_cores: float
    free_cpu_source: FreeSource
    free_memory_bytes: int
    free_memory_source: FreeSource
    free_pods: int
    distance_km: float
    is_ready: bool
    avoided_taints: int
    def __init__(self, id: _Optional[str] = ..., cluster: _Optional[str] = ..., node: _Optional[str] = ..., score: _Optional[float] = ..., scores: _Optional[_Union[CriterionScores, _Mapping]] = ..., free_cpu_cores: _Optional[float] = ..., free_cpu_source: _Optional[_Union[FreeSource, str]] = ..., free_memory_bytes: _Optional[int] = ..., free_memory_source: _Optional[_Union[FreeSource, str]] = ..., free_pods: _Optional[int] = ..., distance_km: _Optional[float] = ..., is_ready: _Optional[bool] = ..., avoided_taints: _Optional[int] = ...) -> None: ...

class CriterionScores(_message.Message):
    __slots__ = ("free_cpu", "free_memory", "security", "distance", "energy", "spread")
    FREE_CPU_FIELD_NUMBER: _ClassVar[int]
    FREE_MEMORY_FIELD_NUMBER: _ClassVar[int]
    SECURITY_FIELD_NUMBER: _ClassVar[int]
    DISTANCE_FIELD_NUMBER: _ClassVar[int]
    ENERGY_FIELD_NUMBER: _ClassVar[int]
    SPREAD_FIELD_NUMBER: _ClassVar[int]
    free_cpu: float
    free_memory: float
    security: float
    distance: float
    energy: float
    spread: float
    def __init__(self, free_cpu: _Optional[float] = ..., free_memory: _Optional[float] = ..., security: _Optional[float] = ..., distance: _Optional[float] = ..., energy: _Optional[float] = ..., spread: _Optional[float] = ...) -> None: ...

class RejectedNode(_message.Message):
    __slots__ = ("id", "cluster", "node", "reasons")
    ID_FIELD_NUMBER: _ClassVar[int]
    CLUSTER_FIELD_NUMBER: _ClassVar[int]
    NODE_FIELD_NUMBER: _ClassVar[int]
    REASONS_FIELD_NUMBER: _ClassVar[int]
    id: str
    cluster: str
    node: str
    reasons: _containers.RepeatedCompositeFieldContainer[Rejection]
    def __init__(self, id: _Optional[str] = ..., cluster: _Optional[str] = ..., node: _Optional[str] = ..., reasons: _Optional[_Iterable[_Union[Rejection, _Mapping]]] = ...) -> None: ...

class Rejection(_message.Message):
    __slots__ = ("reason", "detail", "required", "actual")
    REASON_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    REQUIRED_FIELD_NUMBER: _ClassVar[int]
    ACTUAL_FIELD_NUMBER: _ClassVar[int]
    reason: RejectionReason
    detail: str
    required: float
    actual: float
    def __init__(self, reason: _Optional[_Union[RejectionReason, str]] = ..., detail: _Optional[str] = ..., required: _Optional[float] = ..., actual: _Optional[float] = ...) -> None: ...

class CandidateTotals(_message.Message):
    __slots__ = ("nodes", "candidates", "rejected", "reasons")
    NODES_FIELD_NUMBER: _ClassVar[int]
    CANDIDATES_FIELD_NUMBER: _ClassVar[int]
    REJECTED_FIELD_NUMBER: _ClassVar[int]
    REASONS_FIELD_NUMBER: _ClassVar[int]
    nodes: int
    candidates: int
    rejected: int
    reasons: _containers.RepeatedCompositeFieldContainer[ReasonCount]
    def __init__(self, nodes: _Optional[int] = ..., candidates: _Optional[int] = ..., rejected: _Optional[int] = ..., reasons: _Optional[_Iterable[_Union[ReasonCount, _Mapping]]] = ...) -> None: ...

class ReasonCount(_message.Message):
    __slots__ = ("reason", "nodes")
    REASON_FIELD_NUMBER: _ClassVar[int]
    NODES_FIELD_NUMBER: _ClassVar[int]
    reason: RejectionReason
    nodes: int
    def __init__(self, reason: _Optional[_Union[RejectionReason, str]] = ..., nodes: _Optional[int] = ...) -> None: ...

class WatchTopologyRequest(_message.Message):
    __slots__ = ("cluster", "filter", "label_selector", "fields", "depth", "kind", "changes", "known_version", "min_interval")
    CLUSTER_FIELD_NUMBER: _ClassVar[int]
    FILTER_FIELD_NUMBER: _ClassVar[int]
    LABEL_SELECTOR_FIELD_NUMBER: _ClassVar[int]
    FIELDS_FIELD_NUMBER: _ClassVar[int]
    DEPTH_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    CHANGES_FIELD_NUMBER: _ClassVar[int]
    KNOWN_VERSION_FIELD_NUMBER: _ClassVar[int]
    MIN_INTERVAL_FIELD_NUMBER: _ClassVar[int]
    cluster: str
    filter: str
    label_selector: str
    fields: _field_mask_pb2.FieldMask
    depth: int
    kind: str
    changes: str
    known_version: str
    min_interval: _duration_pb2.Duration
    def __init__(self, cluster: _Optional[str] = ..., filter: _Optional[str] = ..., label_selector: _Optional[str] = ..., fields: _Optional[_Union[_field_mask_pb2.FieldMask, _Mapping]] = ..., depth: _Optional[int] = ..., kind: _Optional[str] = ..., changes: _Optional[str] = ..., known_version: _Optional[str] = ..., min_interval: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class WatchEvent(_message.Message):
    __slots__ = ("snapshot", "changes", "bookmark", "completeness", "restart")
    SNAPSHOT_FIELD_NUMBER: _ClassVar[int]
    CHANGES_FIELD_NUMBER: _ClassVar[int]
    BOOKMARK_FIELD_NUMBER: _ClassVar[int]
    COMPLETENESS_FIELD_NUMBER: _ClassVar[int]
    RESTART_FIELD_NUMBER: _ClassVar[int]
    snapshot: WatchSnapshot
    changes: WatchChanges
    bookmark: WatchBookmark
    completeness: WatchCompleteness
    restart: WatchRestart
    def __init__(self, snapshot: _Optional[_Union[WatchSnapshot, _Mapping]] = ..., changes: _Optional[_Union[WatchChanges, _Mapping]] = ..., bookmark: _Optional[_Union[WatchBookmark, _Mapping]] = ..., completeness: _Optional[_Union[WatchCompleteness, _Mapping]] = ..., restart: _Optional[_Union[WatchRestart, _Mapping]] = ...) -> None: ...

class WatchSnapshot(_message.Message):
    __slots__ = ("version", "time", "clusters", "nodes", "pods", "remaining_count", "properties")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    TIME_FIELD_NUMBER: _ClassVar[int]
    CLUSTERS_FIELD_NUMBER: _ClassVar[int]
    NODES_FIELD_NUMBER: _ClassVar[int]
    PODS_FIELD_NUMBER: _ClassVar[int]
    REMAINING_COUNT_FIELD_NUMBER: _ClassVar[int]
    PROPERTIES_FIELD_NUMBER: _ClassVar[int]
    version: str
    time: _timestamp_pb2.Timestamp
    clusters: _containers.RepeatedCompositeFieldContainer[Cluster]
    nodes: _containers.RepeatedCompositeFieldContainer[Node]
    pods: _containers.RepeatedCompositeFieldContainer[Pod]
    remaining_count: int
    properties: TopologyProperties
    def __init__(self, version: _Optional[str] = ..., time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., clusters: _Optional[_Iterable[_Union[Cluster, _Mapping]]] = ..., nodes: _Optional[_Iterable[_Union[Node, _Mapping]]] = ..., pods: _Optional[_Iterable[_Union[Pod, _Mapping]]] = ..., remaining_count: _Optional[int] = ..., properties: _Optional[_Union[TopologyProperties, _Mapping]] = ...) -> None: ...

class WatchChanges(_message.Message):
    __slots__ = ("version", "previous_version", "time", "changes", "remaining_count", "properties")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    PREVIOUS_VERSION_FIELD_NUMBER: _ClassVar[int]
    TIME_FIELD_NUMBER: _ClassVar[int]
    CHANGES_FIELD_NUMBER: _ClassVar[int]
    REMAINING_COUNT_FIELD_NUMBER: _ClassVar[int]
    PROPERTIES_FIELD_NUMBER: _ClassVar[int]
    version: str
    previous_version: str
    time: _timestamp_pb2.Timestamp
    changes: _containers.RepeatedCompositeFieldContainer[ObjectChange]
    remaining_count: int
    properties: TopologyProperties
    def __init__(self, version: _Optional[str] = ..., previous_version: _Optional[str] = ..., time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., changes: _Optional[_Iterable[_Union[ObjectChange, _Mapping]]] = ..., remaining_count: _Optional[int] = ..., properties: _Optional[_Union[TopologyProperties, _Mapping]] = ...) -> None: ...

class TopologyProperties(_message.Message):
    __slots__ = ("controllers", "oldest_sample_time")
    CONTROLLERS_FIELD_NUMBER: _ClassVar[int]
    OLDEST_SAMPLE_TIME_FIELD_NUMBER: _ClassVar[int]
    controllers: _containers.RepeatedScalarFieldContainer[str]
    oldest_sample_time: _timestamp_pb2.Timestamp
    def __init__(self, controllers: _Optional[_Iterable[str]] = ..., oldest_sample_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class DiffTopologyRequest(_message.Message):
    __slots__ = ("cluster", "filter", "label_selector", "fields", "kind", "changes", "from_time", "to_time", "limit")
    CLUSTER_FIELD_NUMBER: _ClassVar[int]
    FILTER_FIELD_NUMBER: _ClassVar[int]
    LABEL_SELECTOR_FIELD_NUMBER: _ClassVar[int]
    FIELDS_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    CHANGES_FIELD_NUMBER: _ClassVar[int]
    FROM_TIME_FIELD_NUMBER: _ClassVar[int]
    TO_TIME_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    cluster: str
    filter: str
    label_selector: str
    fields: _field_mask_pb2.FieldMask
    kind: str
    changes: str
    from_time: str
    to_time: str
    limit: int
    def __init__(self, cluster: _Optional[str] = ..., filter: _Optional[str] = ..., label_selector: _Optional[str] = ..., fields: _Optional[_Union[_field_mask_pb2.FieldMask, _Mapping]] = ..., kind: _Optional[str] = ..., changes: _Optional[str] = ..., from_time: _Optional[str] = ..., to_time: _Optional[str] = ..., limit: _Optional[int] = ...) -> None: ...

class DiffTopologyResponse(_message.Message):
    __slots__ = ("from_topology", "to_topology", "total_count", "changes")
    FROM_TOPOLOGY_FIELD_NUMBER: _ClassVar[int]
    TO_TOPOLOGY_FIELD_NUMBER: _ClassVar[int]
    TOTAL_COUNT_FIELD_NUMBER: _ClassVar[int]
    CHANGES_FIELD_NUMBER: _ClassVar[int]
    from_topology: ComparedTopology
    to_topology: ComparedTopology
    total_count: int
    changes: _containers.RepeatedCompositeFieldContainer[ObjectChange]
    def __init__(self, from_topology: _Optional[_Union[ComparedTopology, _Mapping]] = ..., to_topology: _Optional[_Union[ComparedTopology, _Mapping]] = ..., total_count: _Optional[int] = ..., changes: _Optional[_Iterable[_Union[ObjectChange, _Mapping]]] = ...) -> None: ...

class ComparedTopology(_message.Message):
    __slots__ = ("version", "time", "complete")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    TIME_FIELD_NUMBER: _ClassVar[int]
    COMPLETE_FIELD_NUMBER: _ClassVar[int]
    version: str
    time: _timestamp_pb2.Timestamp
    complete: bool
    def __init__(self, version: _Optional[str] = ..., time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., complete: _Optional[bool] = ...) -> None: ...

class ObjectChange(_message.Message):
    __slots__ = ("type", "kind", "id", "cluster", "name", "namespace", "object", "changed_fields", "before")
    TYPE_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    CLUSTER_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    OBJECT_FIELD_NUMBER: _ClassVar[int]
    CHANGED_FIELDS_FIELD_NUMBER: _ClassVar[int]
    BEFORE_FIELD_NUMBER: _ClassVar[int]
    type: str
    kind: str
    id: str
    cluster: str
    name: str
    namespace: str
    object: TopologyObject
    changed_fields: _containers.RepeatedScalarFieldContainer[str]
    before: TopologyObject
    def __init__(self, type: _Optional[str] = ..., kind: _Optional[str] = ..., id: _Optional[str] = ..., cluster: _Optional[str] = ..., name: _Optional[str] = ..., namespace: _Optional[str] = ..., object: _Optional[_Union[TopologyObject, _Mapping]] = ..., changed_fields: _Optional[_Iterable[str]] = ..., before: _Optional[_Union[TopologyObject, _Mapping]] = ...) -> None: ...

class TopologyObject(_message.Message):
    __slots__ = ("cluster", "node", "pod")
    CLUSTER_FIELD_NUMBER: _ClassVar[int]
    NODE_FIELD_NUMBER: _ClassVar[int]
    POD_FIELD_NUMBER: _ClassVar[int]
    cluster: Cluster
    node: Node
    pod: Pod
    def __init__(self, cluster: _Optional[_Union[Cluster, _Mapping]] = ..., node: _Optional[_Union[Node, _Mapping]] = ..., pod: _Optional[_Union[Pod, _Mapping]] = ...) -> None: ...

class WatchBookmark(_message.Message):
    __slots__ = ("version", "time")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    TIME_FIELD_NUMBER: _ClassVar[int]
    version: str
    time: _timestamp_pb2.Timestamp
    def __init__(self, version: _Optional[str] = ..., time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class WatchCompleteness(_message.Message):
    __slots__ = ("complete", "gaps")
    COMPLETE_FIELD_NUMBER: _ClassVar[int]
    GAPS_FIELD_NUMBER: _ClassVar[int]
    complete: bool
    gaps: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, complete: _Optional[bool] = ..., gaps: _Optional[_Iterable[str]] = ...) -> None: ...

class WatchRestart(_message.Message):
    __slots__ = ("reason",)
    REASON_FIELD_NUMBER: _ClassVar[int]
    reason: str
    def __init__(self, reason: _Optional[str] = ...) -> None: ...

class Topology(_message.Message):
    __slots__ = ("version", "oldest_sample_time", "controllers", "clusters")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    OLDEST_SAMPLE_TIME_FIELD_NUMBER: _ClassVar[int]
    CONTROLLERS_FIELD_NUMBER: _ClassVar[int]
    CLUSTERS_FIELD_NUMBER: _ClassVar[int]
    version: str
    oldest_sample_time: _timestamp_pb2.Timestamp
    controllers: _containers.RepeatedScalarFieldContainer[str]
    clusters: _containers.RepeatedCompositeFieldContainer[Cluster]
    def __init__(self, version: _Optional[str] = ..., oldest_sample_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., controllers: _Optional[_Iterable[str]] = ..., clusters: _Optional[_Iterable[_Union[Cluster, _Mapping]]] = ...) -> None: ...

class Cluster(_message.Message):
    __slots__ = ("id", "name", "type", "last_seen_time", "agent_id", "is_linked", "controllers", "nodes", "pods")
    ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    LAST_SEEN_TIME_FIELD_NUMBER: _ClassVar[int]
    AGENT_ID_FIELD_NUMBER: _ClassVar[int]
    IS_LINKED_FIELD_NUMBER: _ClassVar[int]
    CONTROLLERS_FIELD_NUMBER: _ClassVar[int]
    NODES_FIELD_NUMBER: _ClassVar[int]
    PODS_FIELD_NUMBER: _ClassVar[int]
    id: str
    name: str
    type: str
    last_seen_time: _timestamp_pb2.Timestamp
    agent_id: str
    is_linked: bool
    controllers: _containers.RepeatedScalarFieldContainer[str]
    nodes: _containers.RepeatedCompositeFieldContainer[Node]
    pods: _containers.RepeatedCompositeFieldContainer[Pod]
    def __init__(self, id: _Optional[str] = ..., name: _Optional[str] = ..., type: _Optional[str] = ..., last_seen_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., agent_id: _Optional[str] = ..., is_linked: _Optional[bool] = ..., controllers: _Optional[_Iterable[str]] = ..., nodes: _Optional[_Iterable[_Union[Node, _Mapping]]] = ..., pods: _Optional[_Iterable[_Union[Pod, _Mapping]]] = ...) -> None: ...

class Node(_message.Message):
    __slots__ = ("id", "name", "cluster", "type", "last_seen_time", "gone_since_time", "is_reporting", "host_id", "hostname", "architecture", "engine", "labels", "latitude", "longitude", "city", "country", "country_name", "continent", "cpu_cores", "available_cpu_cores", "cpu_usage_percent", "cpu_usage_predicted_percent", "cpu_frequency_hertz", "cpu_max_frequency_hertz", "memory_bytes", "host_memory_bytes", "free_memory_bytes", "available_memory_bytes", "used_memory_bytes", "memory_usage_percent", "memory_usage_predicted_percent", "temperature_celsius", "energy_joules", "uptime_seconds", "gpu_count", "gpu_frequency_hertz", "gpu_max_frequency_hertz", "gpu_memory_bytes", "gpu_temperature_celsius", "gpu_energy_joules", "sca_score", "vulnerabilities", "interfaces", "devices", "filesystems", "allocatable_cpu_cores", "allocatable_memory_bytes", "allocatable_pods", "allocatable_gpus", "pod_capacity", "requested_cpu_cores", "requested_memory_bytes", "pod_count", "is_unschedulable", "conditions", "taints", "kubelet_version", "kernel_version", "os_image", "internal_ip", "system_uuid", "provider_id", "created_time", "annotations", "alerts", "operating_system", "cpu_model", "sensors", "gpus", "power_watts")
    class LabelsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    class VulnerabilitiesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    class ConditionsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    class AnnotationsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    class AlertsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    CLUSTER_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    LAST_SEEN_TIME_FIELD_NUMBER: _ClassVar[int]
    GONE_SINCE_TIME_FIELD_NUMBER: _ClassVar[int]
    IS_REPORTING_FIELD_NUMBER: _ClassVar[int]
    HOST_ID_FIELD_NUMBER: _ClassVar[int]
    HOSTNAME_FIELD_NUMBER: _ClassVar[int]
    ARCHITECTURE_FIELD_NUMBER: _ClassVar[int]
    ENGINE_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    LATITUDE_FIELD_NUMBER: _ClassVar[int]
    LONGITUDE_FIELD_NUMBER: _ClassVar[int]
    CITY_FIELD_NUMBER: _ClassVar[int]
    COUNTRY_FIELD_NUMBER: _ClassVar[int]
    COUNTRY_NAME_FIELD_NUMBER: _ClassVar[int]
    CONTINENT_FIELD_NUMBER: _ClassVar[int]
    CPU_CORES_FIELD_NUMBER: _ClassVar[int]
    AVAILABLE_CPU_CORES_FIELD_NUMBER: _ClassVar[int]
    CPU_USAGE_PERCENT_FIELD_NUMBER: _ClassVar[int]
    CPU_USAGE_PREDICTED_PERCENT_FIELD_NUMBER: _ClassVar[int]
    CPU_FREQUENCY_HERTZ_FIELD_NUMBER: _ClassVar[int]
    CPU_MAX_FREQUENCY_HERTZ_FIELD_NUMBER: _ClassVar[int]
    MEMORY_BYTES_FIELD_NUMBER: _ClassVar[int]
    HOST_MEMORY_BYTES_FIELD_NUMBER: _ClassVar[int]
    FREE_MEMORY_BYTES_FIELD_NUMBER: _ClassVar[int]
    AVAILABLE_MEMORY_BYTES_FIELD_NUMBER: _ClassVar[int]
    USED_MEMORY_BYTES_FIELD_NUMBER: _ClassVar[int]
    MEMORY_USAGE_PERCENT_FIELD_NUMBER: _ClassVar[int]
    MEMORY_USAGE_PREDICTED_PERCENT_FIELD_NUMBER: _ClassVar[int]
    TEMPERATURE_CELSIUS_FIELD_NUMBER: _ClassVar[int]
    ENERGY_JOULES_FIELD_NUMBER: _ClassVar[int]
    UPTIME_SECONDS_FIELD_NUMBER: _ClassVar[int]
    GPU_COUNT_FIELD_NUMBER: _ClassVar[int]
    GPU_FREQUENCY_HERTZ_FIELD_NUMBER: _ClassVar[int]
    GPU_MAX_FREQUENCY_HERTZ_FIELD_NUMBER: _ClassVar[int]
    GPU_MEMORY_BYTES_FIELD_NUMBER: _ClassVar[int]
    GPU_TEMPERATURE_CELSIUS_FIELD_NUMBER: _ClassVar[int]
    GPU_ENERGY_JOULES_FIELD_NUMBER: _ClassVar[int]
    SCA_SCORE_FIELD_NUMBER: _ClassVar[int]
    VULNERABILITIES_FIELD_NUMBER: _ClassVar[int]
    INTERFACES_FIELD_NUMBER: _ClassVar[int]
    DEVICES_FIELD_NUMBER: _ClassVar[int]
    FILESYSTEMS_FIELD_NUMBER: _ClassVar[int]
    ALLOCATABLE_CPU_CORES_FIELD_NUMBER: _ClassVar[int]
    ALLOCATABLE_MEMORY_BYTES_FIELD_NUMBER: _ClassVar[int]
    ALLOCATABLE_PODS_FIELD_NUMBER: _ClassVar[int]
    ALLOCATABLE_GPUS_FIELD_NUMBER: _ClassVar[int]
    POD_CAPACITY_FIELD_NUMBER: _ClassVar[int]
    REQUESTED_CPU_CORES_FIELD_NUMBER: _ClassVar[int]
    REQUESTED_MEMORY_BYTES_FIELD_NUMBER: _ClassVar[int]
    POD_COUNT_FIELD_NUMBER: _ClassVar[int]
    IS_UNSCHEDULABLE_FIELD_NUMBER: _ClassVar[int]
    CONDITIONS_FIELD_NUMBER: _ClassVar[int]
    TAINTS_FIELD_NUMBER: _ClassVar[int]
    KUBELET_VERSION_FIELD_NUMBER: _ClassVar[int]
    KERNEL_VERSION_FIELD_NUMBER: _ClassVar[int]
    OS_IMAGE_FIELD_NUMBER: _ClassVar[int]
    INTERNAL_IP_FIELD_NUMBER: _ClassVar[int]
    SYSTEM_UUID_FIELD_NUMBER: _ClassVar[int]
    PROVIDER_ID_FIELD_NUMBER: _ClassVar[int]
    CREATED_TIME_FIELD_NUMBER: _ClassVar[int]
    ANNOTATIONS_FIELD_NUMBER: _ClassVar[int]
    ALERTS_FIELD_NUMBER: _ClassVar[int]
    OPERATING_SYSTEM_FIELD_NUMBER: _ClassVar[int]
    CPU_MODEL_FIELD_NUMBER: _ClassVar[int]
    SENSORS_FIELD_NUMBER: _ClassVar[int]
    GPUS_FIELD_NUMBER: _ClassVar[int]
    POWER_WATTS_FIELD_NUMBER: _ClassVar[int]
    id: str
    name: str
    cluster: str
    type: str
    last_seen_time: _timestamp_pb2.Timestamp
    gone_since_time: _timestamp_pb2.Timestamp
    is_reporting: bool
    host_id: str
    hostname: str
    architecture: str
    engine: str
    labels: _containers.ScalarMap[str, str]
    latitude: float
    longitude: float
    city: str
    country: str
    country_name: str
    continent: str
    cpu_cores: float
    available_cpu_cores: float
    cpu_usage_percent: float
    cpu_usage_predicted_percent: float
    cpu_frequency_hertz: float
    cpu_max_frequency_hertz: int
    memory_bytes: int
    host_memory_bytes: int
    free_memory_bytes: int
    available_memory_bytes: int
    used_memory_bytes: int
    memory_usage_percent: float
    memory_usage_predicted_percent: float
    temperature_celsius: float
    energy_joules: float
    uptime_seconds: float
    gpu_count: float
    gpu_frequency_hertz: int
    gpu_max_frequency_hertz: int
    gpu_memory_bytes: int
    gpu_temperature_celsius: float
    gpu_energy_joules: float
    sca_score: int
    vulnerabilities: _containers.ScalarMap[str, int]
    interfaces: _containers.RepeatedCompositeFieldContainer[Interface]
    devices: _containers.RepeatedCompositeFieldContainer[Device]
    filesystems: _containers.RepeatedCompositeFieldContainer[Filesystem]
    allocatable_cpu_cores: float
    allocatable_memory_bytes: int
    allocatable_pods: int
    allocatable_gpus: int
    pod_capacity: int
    requested_cpu_cores: float
    requested_memory_bytes: int
    pod_count: int
    is_unschedulable: bool
    conditions: _containers.ScalarMap[str, str]
    taints: _containers.RepeatedCompositeFieldContainer[Taint]
    kubelet_version: str
    kernel_version: str
    os_image: str
    internal_ip: str
    system_uuid: str
    provider_id: str
    created_time: _timestamp_pb2.Timestamp
    annotations: _containers.ScalarMap[str, str]
    alerts: _containers.ScalarMap[str, str]
    operating_system: str
    cpu_model: str
    sensors: _containers.RepeatedCompositeFieldContainer[Sensor]
    gpus: _containers.RepeatedCompositeFieldContainer[Gpu]
    power_watts: float
    def __init__(self, id: _Optional[str] = ..., name: _Optional[str] = ..., cluster: _Optional[str] = ..., type: _Optional[str] = ..., last_seen_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., gone_since_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., is_reporting: _Optional[bool] = ..., host_id: _Optional[str] = ..., hostname: _Optional[str] = ..., architecture: _Optional[str] = ..., engine: _Optional[str] = ..., labels: _Optional[_Mapping[str, str]] = ..., latitude: _Optional[float] = ..., longitude: _Optional[float] = ..., city: _Optional[str] = ..., country: _Optional[str] = ..., country_name: _Optional[str] = ..., continent: _Optional[str] = ..., cpu_cores: _Optional[float] = ..., available_cpu_cores: _Optional[float] = ..., cpu_usage_percent: _Optional[float] = ..., cpu_usage_predicted_percent: _Optional[float] = ..., cpu_frequency_hertz: _Optional[float] = ..., cpu_max_frequency_hertz: _Optional[int] = ..., memory_bytes: _Optional[int] = ..., host_memory_bytes: _Optional[int] = ..., free_memory_bytes: _Optional[int] = ..., available_memory_bytes: _Optional[int] = ..., used_memory_bytes: _Optional[int] = ..., memory_usage_percent: _Optional[float] = ..., memory_usage_predicted_percent: _Optional[float] = ..., temperature_celsius: _Optional[float] = ..., energy_joules: _Optional[float] = ..., uptime_seconds: _Optional[float] = ..., gpu_count: _Optional[float] = ..., gpu_frequency_hertz: _Optional[int] = ..., gpu_max_frequency_hertz: _Optional[int] = ..., gpu_memory_bytes: _Optional[int] = ..., gpu_temperature_celsius: _Optional[float] = ..., gpu_energy_joules: _Optional[float] = ..., sca_score: _Optional[int] = ..., vulnerabilities: _Optional[_Mapping[str, int]] = ..., interfaces: _Optional[_Iterable[_Union[Interface, _Mapping]]] = ..., devices: _Optional[_Iterable[_Union[Device, _Mapping]]] = ..., filesystems: _Optional[_Iterable[_Union[Filesystem, _Mapping]]] = ..., allocatable_cpu_cores: _Optional[float] = ..., allocatable_memory_bytes: _Optional[int] = ..., allocatable_pods: _Optional[int] = ..., allocatable_gpus: _Optional[int] = ..., pod_capacity: _Optional[int] = ..., requested_cpu_cores: _Optional[float] = ..., requested_memory_bytes: _Optional[int] = ..., pod_count: _Optional[int] = ..., is_unschedulable: _Optional[bool] = ..., conditions: _Optional[_Mapping[str, str]] = ..., taints: _Optional[_Iterable[_Union[Taint, _Mapping]]] = ..., kubelet_version: _Optional[str] = ..., kernel_version: _Optional[str] = ..., os_image: _Optional[str] = ..., internal_ip: _Optional[str] = ..., system_uuid: _Optional[str] = ..., provider_id: _Optional[str] = ..., created_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., annotations: _Optional[_Mapping[str, str]] = ..., alerts: _Optional[_Mapping[str, str]] = ..., operating_system: _Optional[str] = ..., cpu_model: _Optional[str] = ..., sensors: _Optional[_Iterable[_Union[Sensor, _Mapping]]] = ..., gpus: _Optional[_Iterable[_Union[Gpu, _Mapping]]] = ..., power_watts: _Optional[float] = ...) -> None: ...

class Taint(_message.Message):
    __slots__ = ("name", "key", "value", "effect")
    NAME_FIELD_NUMBER: _ClassVar[int]
    KEY_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    EFFECT_FIELD_NUMBER: _ClassVar[int]
    name: str
    key: str
    value: str
    effect: str
    def __init__(self, name: _Optional[str] = ..., key: _Optional[str] = ..., value: _Optional[str] = ..., effect: _Optional[str] = ...) -> None: ...

class Interface(_message.Message):
    __slots__ = ("name", "duplex", "speed_bytes_per_second", "ip", "addresses", "is_up", "receive_bytes_per_second", "transmit_bytes_per_second", "operational_state", "mac_address", "mtu_bytes")
    NAME_FIELD_NUMBER: _ClassVar[int]
    DUPLEX_FIELD_NUMBER: _ClassVar[int]
    SPEED_BYTES_PER_SECOND_FIELD_NUMBER: _ClassVar[int]
    IP_FIELD_NUMBER: _ClassVar[int]
    ADDRESSES_FIELD_NUMBER: _ClassVar[int]
    IS_UP_FIELD_NUMBER: _ClassVar[int]
    RECEIVE_BYTES_PER_SECOND_FIELD_NUMBER: _ClassVar[int]
    TRANSMIT_BYTES_PER_SECOND_FIELD_NUMBER: _ClassVar[int]
    OPERATIONAL_STATE_FIELD_NUMBER: _ClassVar[int]
    MAC_ADDRESS_FIELD_NUMBER: _ClassVar[int]
    MTU_BYTES_FIELD_NUMBER: _ClassVar[int]
    name: str
    duplex: str
    speed_bytes_per_second: int
    ip: str
    addresses: _containers.RepeatedCompositeFieldContainer[Address]
    is_up: bool
    receive_bytes_per_second: float
    transmit_bytes_per_second: float
    operational_state: str
    mac_address: str
    mtu_bytes: int
    def __init__(self, name: _Optional[str] = ..., duplex: _Optional[str] = ..., speed_bytes_per_second: _Optional[int] = ..., ip: _Optional[str] = ..., addresses: _Optional[_Iterable[_Union[Address, _Mapping]]] = ..., is_up: _Optional[bool] = ..., receive_bytes_per_second: _Optional[float] = ..., transmit_bytes_per_second: _Optional[float] = ..., operational_state: _Optional[str] = ..., mac_address: _Optional[str] = ..., mtu_bytes: _Optional[int] = ...) -> None: ...

class Address(_message.Message):
    __slots__ = ("ip", "prefix_length")
    IP_FIELD_NUMBER: _ClassVar[int]
    PREFIX_LENGTH_FIELD_NUMBER: _ClassVar[int]
    ip: str
    prefix_length: int
    def __init__(self, ip: _Optional[str] = ..., prefix_length: _Optional[int] = ...) -> None: ...

class Device(_message.Message):
    __slots__ = ("name", "state", "path")
    NAME_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    PATH_FIELD_NUMBER: _ClassVar[int]
    name: str
    state: DeviceState
    path: str
    def __init__(self, name: _Optional[str] = ..., state: _Optional[_Union[DeviceState, str]] = ..., path: _Optional[str] = ...) -> None: ...

class Filesystem(_message.Message):
    __slots__ = ("name", "fstype", "size_bytes", "root_available_bytes")
    NAME_FIELD_NUMBER: _ClassVar[int]
    FSTYPE_FIELD_NUMBER: _ClassVar[int]
    SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    ROOT_AVAILABLE_BYTES_FIELD_NUMBER: _ClassVar[int]
    name: str
    fstype: str
    size_bytes: float
    root_available_bytes: float
    def __init__(self, name: _Optional[str] = ..., fstype: _Optional[str] = ..., size_bytes: _Optional[float] = ..., root_available_bytes: _Optional[float] = ...) -> None: ...

class Gpu(_message.Message):
    __slots__ = ("name", "model", "mig_profile", "memory_bytes", "used_memory_bytes", "utilization_percent", "temperature_celsius", "frequency_hertz", "power_watts", "energy_joules")
    NAME_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    MIG_PROFILE_FIELD_NUMBER: _ClassVar[int]
    MEMORY_BYTES_FIELD_NUMBER: _ClassVar[int]
    USED_MEMORY_BYTES_FIELD_NUMBER: _ClassVar[int]
    UTILIZATION_PERCENT_FIELD_NUMBER: _ClassVar[int]
    TEMPERATURE_CELSIUS_FIELD_NUMBER: _ClassVar[int]
    FREQUENCY_HERTZ_FIELD_NUMBER: _ClassVar[int]
    POWER_WATTS_FIELD_NUMBER: _ClassVar[int]
    ENERGY_JOULES_FIELD_NUMBER: _ClassVar[int]
    name: str
    model: str
    mig_profile: str
    memory_bytes: int
    used_memory_bytes: int
    utilization_percent: float
    temperature_celsius: float
    frequency_hertz: int
    power_watts: float
    energy_joules: float
    def __init__(self, name: _Optional[str] = ..., model: _Optional[str] = ..., mig_profile: _Optional[str] = ..., memory_bytes: _Optional[int] = ..., used_memory_bytes: _Optional[int] = ..., utilization_percent: _Optional[float] = ..., temperature_celsius: _Optional[float] = ..., frequency_hertz: _Optional[int] = ..., power_watts: _Optional[float] = ..., energy_joules: _Optional[float] = ...) -> None: ...

class Sensor(_message.Message):
    __slots__ = ("name", "temperature_celsius")
    NAME_FIELD_NUMBER: _ClassVar[int]
    TEMPERATURE_CELSIUS_FIELD_NUMBER: _ClassVar[int]
    name: str
    temperature_celsius: float
    def __init__(self, name: _Optional[str] = ..., temperature_celsius: _Optional[float] = ...) -> None: ...

class Pod(_message.Message):
    __slots__ = ("id", "name", "namespace", "cluster", "node", "last_seen_time", "ip", "phase", "containers", "workloads", "owner_kind", "owner_name", "controller_kind", "controller_name", "start_time", "created_time", "is_ready", "reason", "priority_class", "qos_class", "uses_host_network", "host_ip", "labels", "annotations", "volumes", "services", "alerts", "receive_bytes_per_second", "transmit_bytes_per_second")
    class LabelsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    class AnnotationsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    class VolumesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    class ServicesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: bool
        def __init__(self, key: _Optional[str] = ..., value: _Optional[bool] = ...) -> None: ...
    class AlertsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    CLUSTER_FIELD_NUMBER: _ClassVar[int]
    NODE_FIELD_NUMBER: _ClassVar[int]
    LAST_SEEN_TIME_FIELD_NUMBER: _ClassVar[int]
    IP_FIELD_NUMBER: _ClassVar[int]
    PHASE_FIELD_NUMBER: _ClassVar[int]
    CONTAINERS_FIELD_NUMBER: _ClassVar[int]
    WORKLOADS_FIELD_NUMBER: _ClassVar[int]
    OWNER_KIND_FIELD_NUMBER: _ClassVar[int]
    OWNER_NAME_FIELD_NUMBER: _ClassVar[int]
    CONTROLLER_KIND_FIELD_NUMBER: _ClassVar[int]
    CONTROLLER_NAME_FIELD_NUMBER: _ClassVar[int]
    START_TIME_FIELD_NUMBER: _ClassVar[int]
    CREATED_TIME_FIELD_NUMBER: _ClassVar[int]
    IS_READY_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    PRIORITY_CLASS_FIELD_NUMBER: _ClassVar[int]
    QOS_CLASS_FIELD_NUMBER: _ClassVar[int]
    USES_HOST_NETWORK_FIELD_NUMBER: _ClassVar[int]
    HOST_IP_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    ANNOTATIONS_FIELD_NUMBER: _ClassVar[int]
    VOLUMES_FIELD_NUMBER: _ClassVar[int]
    SERVICES_FIELD_NUMBER: _ClassVar[int]
    ALERTS_FIELD_NUMBER: _ClassVar[int]
    RECEIVE_BYTES_PER_SECOND_FIELD_NUMBER: _ClassVar[int]
    TRANSMIT_BYTES_PER_SECOND_FIELD_NUMBER: _ClassVar[int]
    id: str
    name: str
    namespace: str
    cluster: str
    node: str
    last_seen_time: _timestamp_pb2.Timestamp
    ip: str
    phase: str
    containers: _containers.RepeatedCompositeFieldContainer[Container]
    workloads: _containers.RepeatedCompositeFieldContainer[Workload]
    owner_kind: str
    owner_name: str
    controller_kind: str
    controller_name: str
    start_time: _timestamp_pb2.Timestamp
    created_time: _timestamp_pb2.Timestamp
    is_ready: bool
    reason: str
    priority_class: str
    qos_class: str
    uses_host_network: bool
    host_ip: str
    labels: _containers.ScalarMap[str, str]
    annotations: _containers.ScalarMap[str, str]
    volumes: _containers.ScalarMap[str, str]
    services: _containers.ScalarMap[str, bool]
    alerts: _containers.ScalarMap[str, str]
    receive_bytes_per_second: float
    transmit_bytes_per_second: float
    def __init__(self, id: _Optional[str] = ..., name: _Optional[str] = ..., namespace: _Optional[str] = ..., cluster: _Optional[str] = ..., node: _Optional[str] = ..., last_seen_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., ip: _Optional[str] = ..., phase: _Optional[str] = ..., containers: _Optional[_Iterable[_Union[Container, _Mapping]]] = ..., workloads: _Optional[_Iterable[_Union[Workload, _Mapping]]] = ..., owner_kind: _Optional[str] = ..., owner_name: _Optional[str] = ..., controller_kind: _Optional[str] = ..., controller_name: _Optional[str] = ..., start_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., created_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., is_ready: _Optional[bool] = ..., reason: _Optional[str] = ..., priority_class: _Optional[str] = ..., qos_class: _Optional[str] = ..., uses_host_network: _Optional[bool] = ..., host_ip: _Optional[str] = ..., labels: _Optional[_Mapping[str, str]] = ..., annotations: _Optional[_Mapping[str, str]] = ..., volumes: _Optional[_Mapping[str, str]] = ..., services: _Optional[_Mapping[str, bool]] = ..., alerts: _Optional[_Mapping[str, str]] = ..., receive_bytes_per_second: _Optional[float] = ..., transmit_bytes_per_second: _Optional[float] = ...) -> None: ...

class Container(_message.Message):
    __slots__ = ("id", "name", "last_seen_time", "image", "cpu_usage_cores", "memory_bytes", "cluster", "namespace", "pod", "node", "image_digest", "container_id", "restart_count", "is_ready", "state", "reason", "last_termination_reason", "start_time", "cpu_request_cores", "memory_request_bytes", "cpu_limit_cores", "memory_limit_bytes", "is_init", "restart_policy", "health", "exit_code", "oom_kill_count")
    ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    LAST_SEEN_TIME_FIELD_NUMBER: _ClassVar[int]
    IMAGE_FIELD_NUMBER: _ClassVar[int]
    CPU_USAGE_CORES_FIELD_NUMBER: _ClassVar[int]
    MEMORY_BYTES_FIELD_NUMBER: _ClassVar[int]
    CLUSTER_FIELD_NUMBER: _ClassVar[int]
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    POD_FIELD_NUMBER: _ClassVar[int]
    NODE_FIELD_NUMBER: _ClassVar[int]
    IMAGE_DIGEST_FIELD_NUMBER: _ClassVar[int]
    CONTAINER_ID_FIELD_NUMBER: _ClassVar[int]
    RESTART_COUNT_FIELD_NUMBER: _ClassVar[int]
    IS_READY_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    LAST_TERMINATION_REASON_FIELD_NUMBER: _ClassVar[int]
    START_TIME_FIELD_NUMBER: _ClassVar[int]
    CPU_REQUEST_CORES_FIELD_NUMBER: _ClassVar[int]
    MEMORY_REQUEST_BYTES_FIELD_NUMBER: _ClassVar[int]
    CPU_LIMIT_CORES_FIELD_NUMBER: _ClassVar[int]
    MEMORY_LIMIT_BYTES_FIELD_NUMBER: _ClassVar[int]
    IS_INIT_FIELD_NUMBER: _ClassVar[int]
    RESTART_POLICY_FIELD_NUMBER: _ClassVar[int]
    HEALTH_FIELD_NUMBER: _ClassVar[int]
    EXIT_CODE_FIELD_NUMBER: _ClassVar[int]
    OOM_KILL_COUNT_FIELD_NUMBER: _ClassVar[int]
    id: str
    name: str
    last_seen_time: _timestamp_pb2.Timestamp
    image: str
    cpu_usage_cores: float
    memory_bytes: int
    cluster: str
    namespace: str
    pod: str
    node: str
    image_digest: str
    container_id: str
    restart_count: int
    is_ready: bool
    state: str
    reason: str
    last_termination_reason: str
    start_time: _timestamp_pb2.Timestamp
    cpu_request_cores: float
    memory_request_bytes: int
    cpu_limit_cores: float
    memory_limit_bytes: int
    is_init: bool
    restart_policy: str
    health: str
    exit_code: int
    oom_kill_count: int
    def __init__(self, id: _Optional[str] = ..., name: _Optional[str] = ..., last_seen_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., image: _Optional[str] = ..., cpu_usage_cores: _Optional[float] = ..., memory_bytes: _Optional[int] = ..., cluster: _Optional[str] = ..., namespace: _Optional[str] = ..., pod: _Optional[str] = ..., node: _Optional[str] = ..., image_digest: _Optional[str] = ..., container_id: _Optional[str] = ..., restart_count: _Optional[int] = ..., is_ready: _Optional[bool] = ..., state: _Optional[str] = ..., reason: _Optional[str] = ..., last_termination_reason: _Optional[str] = ..., start_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., cpu_request_cores: _Optional[float] = ..., memory_request_bytes: _Optional[int] = ..., cpu_limit_cores: _Optional[float] = ..., memory_limit_bytes: _Optional[int] = ..., is_init: _Optional[bool] = ..., restart_policy: _Optional[str] = ..., health: _Optional[str] = ..., exit_code: _Optional[int] = ..., oom_kill_count: _Optional[int] = ...) -> None: ...

class Workload(_message.Message):
    __slots__ = ("instance", "app", "component")
    INSTANCE_FIELD_NUMBER: _ClassVar[int]
    APP_FIELD_NUMBER: _ClassVar[int]
    COMPONENT_FIELD_NUMBER: _ClassVar[int]
    instance: str
    app: str
    component: str
    def __init__(self, instance: _Optional[str] = ..., app: _Optional[str] = ..., component: _Optional[str] = ...) -> None: ...

class Quality(_message.Message):
    __slots__ = ("refresh_time", "refresh_duration_seconds", "failure", "unavailable", "topology_version", "complete", "totals", "rows", "unplaced_objects", "unfilled_fields", "vanished", "contradictions", "limited_fields", "unplaced_targets", "families")
    REFRESH_TIME_FIELD_NUMBER: _ClassVar[int]
    REFRESH_DURATION_SECONDS_FIELD_NUMBER: _ClassVar[int]
    FAILURE_FIELD_NUMBER: _ClassVar[int]
    UNAVAILABLE_FIELD_NUMBER: _ClassVar[int]
    TOPOLOGY_VERSION_FIELD_NUMBER: _ClassVar[int]
    COMPLETE_FIELD_NUMBER: _ClassVar[int]
    TOTALS_FIELD_NUMBER: _ClassVar[int]
    ROWS_FIELD_NUMBER: _ClassVar[int]
    UNPLACED_OBJECTS_FIELD_NUMBER: _ClassVar[int]
    UNFILLED_FIELDS_FIELD_NUMBER: _ClassVar[int]
    VANISHED_FIELD_NUMBER: _ClassVar[int]
    CONTRADICTIONS_FIELD_NUMBER: _ClassVar[int]
    LIMITED_FIELDS_FIELD_NUMBER: _ClassVar[int]
    UNPLACED_TARGETS_FIELD_NUMBER: _ClassVar[int]
    FAMILIES_FIELD_NUMBER: _ClassVar[int]
    refresh_time: _timestamp_pb2.Timestamp
    refresh_duration_seconds: float
    failure: str
    unavailable: str
    topology_version: str
    complete: bool
    totals: QualityTotals
    rows: _containers.RepeatedCompositeFieldContainer[RowQuality]
    unplaced_objects: _containers.RepeatedCompositeFieldContainer[UnplacedObjects]
    unfilled_fields: _containers.RepeatedCompositeFieldContainer[UnfilledField]
    vanished: _containers.RepeatedScalarFieldContainer[str]
    contradictions: _containers.RepeatedCompositeFieldContainer[Contradiction]
    limited_fields: _containers.RepeatedCompositeFieldContainer[LimitedField]
    unplaced_targets: _containers.RepeatedCompositeFieldContainer[UnplacedTarget]
    families: _containers.RepeatedCompositeFieldContainer[FamilyTotals]
    def __init__(self, refresh_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., refresh_duration_seconds: _Optional[float] = ..., failure: _Optional[str] = ..., unavailable: _Optional[str] = ..., topology_version: _Optional[str] = ..., complete: _Optional[bool] = ..., totals: _Optional[_Union[QualityTotals, _Mapping]] = ..., rows: _Optional[_Iterable[_Union[RowQuality, _Mapping]]] = ..., unplaced_objects: _Optional[_Iterable[_Union[UnplacedObjects, _Mapping]]] = ..., unfilled_fields: _Optional[_Iterable[_Union[UnfilledField, _Mapping]]] = ..., vanished: _Optional[_Iterable[str]] = ..., contradictions: _Optional[_Iterable[_Union[Contradiction, _Mapping]]] = ..., limited_fields: _Optional[_Iterable[_Union[LimitedField, _Mapping]]] = ..., unplaced_targets: _Optional[_Iterable[_Union[UnplacedTarget, _Mapping]]] = ..., families: _Optional[_Iterable[_Union[FamilyTotals, _Mapping]]] = ...) -> None: ...

class UnplacedTarget(_message.Message):
    __slots__ = ("cluster", "job", "instance", "reason")
    CLUSTER_FIELD_NUMBER: _ClassVar[int]
    JOB_FIELD_NUMBER: _ClassVar[int]
    INSTANCE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    cluster: str
    job: str
    instance: str
    reason: str
    def __init__(self, cluster: _Optional[str] = ..., job: _Optional[str] = ..., instance: _Optional[str] = ..., reason: _Optional[str] = ...) -> None: ...

class FamilyTotals(_message.Message):
    __slots__ = ("family", "clusters", "nodes")
    FAMILY_FIELD_NUMBER: _ClassVar[int]
    CLUSTERS_FIELD_NUMBER: _ClassVar[int]
    NODES_FIELD_NUMBER: _ClassVar[int]
    family: str
    clusters: int
    nodes: int
    def __init__(self, family: _Optional[str] = ..., clusters: _Optional[int] = ..., nodes: _Optional[int] = ...) -> None: ...

class Contradiction(_message.Message):
    __slots__ = ("row", "field", "cluster", "object", "values")
    ROW_FIELD_NUMBER: _ClassVar[int]
    FIELD_FIELD_NUMBER: _ClassVar[int]
    CLUSTER_FIELD_NUMBER: _ClassVar[int]
    OBJECT_FIELD_NUMBER: _ClassVar[int]
    VALUES_FIELD_NUMBER: _ClassVar[int]
    row: str
    field: str
    cluster: str
    object: str
    values: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, row: _Optional[str] = ..., field: _Optional[str] = ..., cluster: _Optional[str] = ..., object: _Optional[str] = ..., values: _Optional[_Iterable[str]] = ...) -> None: ...

class QualityTotals(_message.Message):
    __slots__ = ("clusters", "nodes", "pods", "containers", "queries", "failed_queries", "stood_in_queries", "samples", "placed_samples", "unplaced_samples", "dropped_samples", "conflicting_samples", "warnings")
    CLUSTERS_FIELD_NUMBER: _ClassVar[int]
    NODES_FIELD_NUMBER: _ClassVar[int]
    PODS_FIELD_NUMBER: _ClassVar[int]
    CONTAINERS_FIELD_NUMBER: _ClassVar[int]
    QUERIES_FIELD_NUMBER: _ClassVar[int]
    FAILED_QUERIES_FIELD_NUMBER: _ClassVar[int]
    STOOD_IN_QUERIES_FIELD_NUMBER: _ClassVar[int]
    SAMPLES_FIELD_NUMBER: _ClassVar[int]
    PLACED_SAMPLES_FIELD_NUMBER: _ClassVar[int]
    UNPLACED_SAMPLES_FIELD_NUMBER: _ClassVar[int]
    DROPPED_SAMPLES_FIELD_NUMBER: _ClassVar[int]
    CONFLICTING_SAMPLES_FIELD_NUMBER: _ClassVar[int]
    WARNINGS_FIELD_NUMBER: _ClassVar[int]
    clusters: int
    nodes: int
    pods: int
    containers: int
    queries: int
    failed_queries: int
    stood_in_queries: int
    samples: int
    placed_samples: int
    unplaced_samples: int
    dropped_samples: int
    conflicting_samples: int
    warnings: int
    def __init__(self, clusters: _Optional[int] = ..., nodes: _Optional[int] = ..., pods: _Optional[int] = ..., containers: _Optional[int] = ..., queries: _Optional[int] = ..., failed_queries: _Optional[int] = ..., stood_in_queries: _Optional[int] = ..., samples: _Optional[int] = ..., placed_samples: _Optional[int] = ..., unplaced_samples: _Optional[int] = ..., dropped_samples: _Optional[int] = ..., conflicting_samples: _Optional[int] = ..., warnings: _Optional[int] = ...) -> None: ...

class RowQuality(_message.Message):
    __slots__ = ("name", "note", "exporter", "promql", "samples", "placed_samples", "unplaced", "dropped", "conflicts", "sources")
    NAME_FIELD_NUMBER: _ClassVar[int]
    NOTE_FIELD_NUMBER: _ClassVar[int]
    EXPORTER_FIELD_NUMBER: _ClassVar[int]
    PROMQL_FIELD_NUMBER: _ClassVar[int]
    SAMPLES_FIELD_NUMBER: _ClassVar[int]
    PLACED_SAMPLES_FIELD_NUMBER: _ClassVar[int]
    UNPLACED_FIELD_NUMBER: _ClassVar[int]
    DROPPED_FIELD_NUMBER: _ClassVar[int]
    CONFLICTS_FIELD_NUMBER: _ClassVar[int]
    SOURCES_FIELD_NUMBER: _ClassVar[int]
    name: str
    note: str
    exporter: str
    promql: str
    samples: int
    placed_samples: int
    unplaced: _containers.RepeatedCompositeFieldContainer[LeftOut]
    dropped: _containers.RepeatedCompositeFieldContainer[LeftOut]
    conflicts: _containers.RepeatedCompositeFieldContainer[LeftOut]
    sources: _containers.RepeatedCompositeFieldContainer[SourceAnswer]
    def __init__(self, name: _Optional[str] = ..., note: _Optional[str] = ..., exporter: _Optional[str] = ..., promql: _Optional[str] = ..., samples: _Optional[int] = ..., placed_samples: _Optional[int] = ..., unplaced: _Optional[_Iterable[_Union[LeftOut, _Mapping]]] = ..., dropped: _Optional[_Iterable[_Union[LeftOut, _Mapping]]] = ..., conflicts: _Optional[_Iterable[_Union[LeftOut, _Mapping]]] = ..., sources: _Optional[_Iterable[_Union[SourceAnswer, _Mapping]]] = ...) -> None: ...

class LeftOut(_message.Message):
    __slots__ = ("reason", "samples")
    REASON_FIELD_NUMBER: _ClassVar[int]
    SAMPLES_FIELD_NUMBER: _ClassVar[int]
    reason: str
    samples: int
    def __init__(self, reason: _Optional[str] = ..., samples: _Optional[int] = ...) -> None: ...

class SourceAnswer(_message.Message):
    __slots__ = ("source", "result", "error", "duration_seconds", "samples", "age_seconds", "warnings", "remarks")
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    RESULT_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    DURATION_SECONDS_FIELD_NUMBER: _ClassVar[int]
    SAMPLES_FIELD_NUMBER: _ClassVar[int]
    AGE_SECONDS_FIELD_NUMBER: _ClassVar[int]
    WARNINGS_FIELD_NUMBER: _ClassVar[int]
    REMARKS_FIELD_NUMBER: _ClassVar[int]
    source: str
    result: QueryResult
    error: str
    duration_seconds: float
    samples: int
    age_seconds: float
    warnings: _containers.RepeatedScalarFieldContainer[str]
    remarks: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, source: _Optional[str] = ..., result: _Optional[_Union[QueryResult, str]] = ..., error: _Optional[str] = ..., duration_seconds: _Optional[float] = ..., samples: _Optional[int] = ..., age_seconds: _Optional[float] = ..., warnings: _Optional[_Iterable[str]] = ..., remarks: _Optional[_Iterable[str]] = ...) -> None: ...

class UnplacedObjects(_message.Message):
    __slots__ = ("kind", "reason", "objects")
    KIND_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    OBJECTS_FIELD_NUMBER: _ClassVar[int]
    kind: str
    reason: str
    objects: int
    def __init__(self, kind: _Optional[str] = ..., reason: _Optional[str] = ..., objects: _Optional[int] = ...) -> None: ...

class LimitedField(_message.Message):
    __slots__ = ("kind", "field", "reason", "objects")
    KIND_FIELD_NUMBER: _ClassVar[int]
    FIELD_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    OBJECTS_FIELD_NUMBER: _ClassVar[int]
    kind: str
    field: str
    reason: str
    objects: int
    def __init__(self, kind: _Optional[str] = ..., field: _Optional[str] = ..., reason: _Optional[str] = ..., objects: _Optional[int] = ...) -> None: ...

class UnfilledField(_message.Message):
    __slots__ = ("kind", "field", "reason", "rows", "exporters")
    KIND_FIELD_NUMBER: _ClassVar[int]
    FIELD_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    ROWS_FIELD_NUMBER: _ClassVar[int]
    EXPORTERS_FIELD_NUMBER: _ClassVar[int]
    kind: str
    field: str
    reason: str
    rows: _containers.RepeatedScalarFieldContainer[str]
    exporters: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, kind: _Optional[str] = ..., field: _Optional[str] = ..., reason: _Optional[str] = ..., rows: _Optional[_Iterable[str]] = ..., exporters: _Optional[_Iterable[str]] = ...) -> None: ...
