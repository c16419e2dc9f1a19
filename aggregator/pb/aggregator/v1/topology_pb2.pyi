import datetime

from google.protobuf import field_mask_pb2 as _field_mask_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

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
    __slots__ = ("id", "name", "cluster", "type", "last_seen_time", "host_id", "hostname", "architecture", "engine", "labels", "latitude", "longitude", "cpu_cores", "available_cpu_cores", "cpu_usage_percent", "cpu_usage_predicted_percent", "cpu_frequency_hertz", "cpu_max_frequency_hertz", "memory_bytes", "host_memory_bytes", "free_memory_bytes", "available_memory_bytes", "used_memory_bytes", "memory_usage_percent", "memory_usage_predicted_percent", "temperature_celsius", "energy_joules", "uptime_seconds", "gpu_count", "gpu_frequency_hertz", "gpu_max_frequency_hertz", "gpu_memory_bytes", "gpu_temperature_celsius", "gpu_energy_joules", "sca_score", "vulnerabilities", "interfaces", "devices", "filesystems")
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
    ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    CLUSTER_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    LAST_SEEN_TIME_FIELD_NUMBER: _ClassVar[int]
    HOST_ID_FIELD_NUMBER: _ClassVar[int]
    HOSTNAME_FIELD_NUMBER: _ClassVar[int]
    ARCHITECTURE_FIELD_NUMBER: _ClassVar[int]
    ENGINE_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    LATITUDE_FIELD_NUMBER: _ClassVar[int]
    LONGITUDE_FIELD_NUMBER: _ClassVar[int]
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
    id: str
    name: str
    cluster: str
    type: str
    last_seen_time: _timestamp_pb2.Timestamp
    host_id: str
    hostname: str
    architecture: str
    engine: str
    labels: _containers.ScalarMap[str, str]
    latitude: float
    longitude: float
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
    def __init__(self, id: _Optional[str] = ..., name: _Optional[str] = ..., cluster: _Optional[str] = ..., type: _Optional[str] = ..., last_seen_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., host_id: _Optional[str] = ..., hostname: _Optional[str] = ..., architecture: _Optional[str] = ..., engine: _Optional[str] = ..., labels: _Optional[_Mapping[str, str]] = ..., latitude: _Optional[float] = ..., longitude: _Optional[float] = ..., cpu_cores: _Optional[float] = ..., available_cpu_cores: _Optional[float] = ..., cpu_usage_percent: _Optional[float] = ..., cpu_usage_predicted_percent: _Optional[float] = ..., cpu_frequency_hertz: _Optional[float] = ..., cpu_max_frequency_hertz: _Optional[int] = ..., memory_bytes: _Optional[int] = ..., host_memory_bytes: _Optional[int] = ..., free_memory_bytes: _Optional[int] = ..., available_memory_bytes: _Optional[int] = ..., used_memory_bytes: _Optional[int] = ..., memory_usage_percent: _Optional[float] = ..., memory_usage_predicted_percent: _Optional[float] = ..., temperature_celsius: _Optional[float] = ..., energy_joules: _Optional[float] = ..., uptime_seconds: _Optional[float] = ..., gpu_count: _Optional[float] = ..., gpu_frequency_hertz: _Optional[int] = ..., gpu_max_frequency_hertz: _Optional[int] = ..., gpu_memory_bytes: _Optional[int] = ..., gpu_temperature_celsius: _Optional[float] = ..., gpu_energy_joules: _Optional[float] = ..., sca_score: _Optional[int] = ..., vulnerabilities: _Optional[_Mapping[str, int]] = ..., interfaces: _Optional[_Iterable[_Union[Interface, _Mapping]]] = ..., devices: _Optional[_Iterable[_Union[Device, _Mapping]]] = ..., filesystems: _Optional[_Iterable[_Union[Filesystem, _Mapping]]] = ...) -> None: ...

class Interface(_message.Message):
    __slots__ = ("name", "duplex", "speed_bytes_per_second", "ip", "addresses", "is_up", "receive_bytes_per_second", "transmit_bytes_per_second")
    NAME_FIELD_NUMBER: _ClassVar[int]
    DUPLEX_FIELD_NUMBER: _ClassVar[int]
    SPEED_BYTES_PER_SECOND_FIELD_NUMBER: _ClassVar[int]
    IP_FIELD_NUMBER: _ClassVar[int]
    ADDRESSES_FIELD_NUMBER: _ClassVar[int]
    IS_UP_FIELD_NUMBER: _ClassVar[int]
    RECEIVE_BYTES_PER_SECOND_FIELD_NUMBER: _ClassVar[int]
    TRANSMIT_BYTES_PER_SECOND_FIELD_NUMBER: _ClassVar[int]
    name: str
    duplex: str
    speed_bytes_per_second: int
    ip: str
    addresses: _containers.RepeatedCompositeFieldContainer[Address]
    is_up: bool
    receive_bytes_per_second: float
    transmit_bytes_per_second: float
    def __init__(self, name: _Optional[str] = ..., duplex: _Optional[str] = ..., speed_bytes_per_second: _Optional[int] = ..., ip: _Optional[str] = ..., addresses: _Optional[_Iterable[_Union[Address, _Mapping]]] = ..., is_up: _Optional[bool] = ..., receive_bytes_per_second: _Optional[float] = ..., transmit_bytes_per_second: _Optional[float] = ...) -> None: ...

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

class Pod(_message.Message):
    __slots__ = ("id", "name", "namespace", "cluster", "node", "last_seen_time", "ip", "phase", "containers", "workloads")
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
    def __init__(self, id: _Optional[str] = ..., name: _Optional[str] = ..., namespace: _Optional[str] = ..., cluster: _Optional[str] = ..., node: _Optional[str] = ..., last_seen_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., ip: _Optional[str] = ..., phase: _Optional[str] = ..., containers: _Optional[_Iterable[_Union[Container, _Mapping]]] = ..., workloads: _Optional[_Iterable[_Union[Workload, _Mapping]]] = ...) -> None: ...

class Container(_message.Message):
    __slots__ = ("id", "name", "last_seen_time", "image", "cpu_usage_cores", "memory_bytes", "cluster", "namespace", "pod", "node")
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
    def __init__(self, id: _Optional[str] = ..., name: _Optional[str] = ..., last_seen_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., image: _Optional[str] = ..., cpu_usage_cores: _Optional[float] = ..., memory_bytes: _Optional[int] = ..., cluster: _Optional[str] = ..., namespace: _Optional[str] = ..., pod: _Optional[str] = ..., node: _Optional[str] = ...) -> None: ...

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
    __slots__ = ("refresh_time", "refresh_duration_seconds", "failure", "unavailable", "topology_version", "complete", "totals", "rows", "unplaced_objects", "unfilled_fields", "vanished")
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
    def __init__(self, refresh_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., refresh_duration_seconds: _Optional[float] = ..., failure: _Optional[str] = ..., unavailable: _Optional[str] = ..., topology_version: _Optional[str] = ..., complete: _Optional[bool] = ..., totals: _Optional[_Union[QualityTotals, _Mapping]] = ..., rows: _Optional[_Iterable[_Union[RowQuality, _Mapping]]] = ..., unplaced_objects: _Optional[_Iterable[_Union[UnplacedObjects, _Mapping]]] = ..., unfilled_fields: _Optional[_Iterable[_Union[UnfilledField, _Mapping]]] = ..., vanished: _Optional[_Iterable[str]] = ...) -> None: ...

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
