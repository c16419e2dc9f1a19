from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Empty(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ComputeResources(_message.Message):
    __slots__ = ("milliCPU", "memoryInBytes")
    MILLICPU_FIELD_NUMBER: _ClassVar[int]
    MEMORYINBYTES_FIELD_NUMBER: _ClassVar[int]
    milliCPU: int
    memoryInBytes: int
    def __init__(self, milliCPU: _Optional[int] = ..., memoryInBytes: _Optional[int] = ...) -> None: ...

class Node(_message.Message):
    __slots__ = ("id", "node_type", "cpu_architecture", "resources", "available_resources", "labels")
    class NodeType(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        COMPUTE: _ClassVar[Node.NodeType]
        NETWORK: _ClassVar[Node.NodeType]
    COMPUTE: Node.NodeType
    NETWORK: Node.NodeType
    ID_FIELD_NUMBER: _ClassVar[int]
    NODE_TYPE_FIELD_NUMBER: _ClassVar[int]
    CPU_ARCHITECTURE_FIELD_NUMBER: _ClassVar[int]
    RESOURCES_FIELD_NUMBER: _ClassVar[int]
    AVAILABLE_RESOURCES_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    id: str
    node_type: Node.NodeType
    cpu_architecture: str
    resources: ComputeResources
    available_resources: ComputeResources
    labels: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, id: _Optional[str] = ..., node_type: _Optional[_Union[Node.NodeType, str]] = ..., cpu_architecture: _Optional[str] = ..., resources: _Optional[_Union[ComputeResources, _Mapping]] = ..., available_resources: _Optional[_Union[ComputeResources, _Mapping]] = ..., labels: _Optional[_Iterable[str]] = ...) -> None: ...

class InfrastructureModel(_message.Message):
    __slots__ = ("nodes",)
    NODES_FIELD_NUMBER: _ClassVar[int]
    nodes: _containers.RepeatedCompositeFieldContainer[Node]
    def __init__(self, nodes: _Optional[_Iterable[_Union[Node, _Mapping]]] = ...) -> None: ...
