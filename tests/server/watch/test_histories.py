"""Whatever happens to a watch, its copy equals the lists of each version, byte for byte.

tests/fuzz tries more histories.
"""

import asyncio
import contextlib
from collections.abc import Mapping
from functools import partial
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from aggregator.errors import NotFoundError
from aggregator.lookup.request import LookupOptions, LookupPlan, Resource
from aggregator.lookup.results import JSON_ENCODER, PROTOBUF_ENCODER, TopologyIndex, execute_lookup
from aggregator.lookup.watch import WatchOptions
from aggregator.lookup.watch_events import MessageEncoder, ServerSentEventEncoder
from aggregator.models.changes import FIELD_CLASSES, get_object_key
from aggregator.models.grant import UNRESTRICTED, Grant
from aggregator.models.topology import (
    Cluster,
    Container,
    Device,
    Interface,
    Node,
    Pod,
    Sensor,
    Topology,
    add_version,
)
from aggregator.observability.metrics import OwnMetrics
from aggregator.pb.aggregator.v1 import topology_pb2 as pb
from aggregator.refresh.history import VersionHistory
from aggregator.server.watch_service import WatchRequest, WatchService
from aggregator.views.v1_protobuf import serialize_message
from tests.server.snapshot_provider import FakeSnapshotProvider, build_snapshot
from tests.server.watch.copies import JsonCopy, MessageCopy, Objects, WatchCopy

HISTORY_COUNT = 40
CLUSTERS = ("alpha", "beta")
RESTRICTED = Grant(frozenset({"beta*"}))
RESOURCES = {"clusters": Resource.CLUSTERS, "nodes": Resource.NODES, "pods": Resource.PODS}

USAGES = st.sampled_from([None, 0, 10.5, 20.25])
SECONDS = st.sampled_from([None, 1_795_208_228.0, 1_795_208_243.5])
LABELS = st.dictionaries(st.sampled_from(["zone", "tier"]), st.sampled_from(["a", "b"]))

NODES = st.fixed_dictionaries(
    {
        "cpu_cores": st.sampled_from([None, 4, 8]),
        "cpu_usage_percent": USAGES,
        "available_memory_bytes": st.sampled_from([None, 2**30, 2**33]),
        "host_memory_bytes": st.sampled_from([None, 2**34]),
        "last_seen_seconds": SECONDS,
        "labels": LABELS,
        "sensors": st.dictionaries(
            st.sampled_from(["s", "t"]), USAGES.map(lambda usage: Sensor("", temperature_celsius=usage))
        ),
        "interfaces": st.dictionaries(
            st.just("eth0"),
            st.tuples(USAGES, st.sampled_from([{}, {"10.0.0.1": "24"}])).map(
                lambda each: Interface("eth0", addresses=each[1], receive_bytes_per_second=each[0])
            ),
        ),
        "devices": st.dictionaries(
            st.just("video0"), st.sampled_from([0, 1]).map(lambda state: Device("video0", state))
        ),
    }
)
PODS = st.fixed_dictionaries(
    {
        "phase": st.sampled_from([None, "Running", "Failed"]),
        "node": st.sampled_from([None, "n0"]),
        "last_seen_seconds": SECONDS,
        "labels": LABELS,
        "alerts": st.dictionaries(st.just("PodDown"), st.just("critical")),
        "containers": st.dictionaries(
            st.sampled_from(["x", "y"]),
            st.tuples(USAGES, st.sampled_from([0, 1])).map(
                lambda each: Container("", cpu_usage_cores=each[0], restart_count=each[1])
            ),
        ),
    }
)
WATCH_OPTIONS = st.sampled_from(
    [
        WatchOptions(),
        WatchOptions(changes="structure"),
        WatchOptions(cluster="beta"),
        WatchOptions(kind="clusters"),
        WatchOptions(kind="clusters", fields=("name", "last_seen_time")),
        WatchOptions(kind="nodes", filter="cpu_usage_percent>5"),
        WatchOptions(kind="nodes", filter="cpu_usage_percent>5", changes="structure"),
        WatchOptions(kind="nodes", labels="zone=a", fields=("name", "sensors.name", "interfaces.ip")),
        WatchOptions(kind="nodes", depth=2),
        WatchOptions(kind="pods", filter="phase=Running", cluster="beta"),
        WatchOptions(kind="pods", fields=("phase", "containers.cpu_usage_cores")),
        WatchOptions(kind="pods", filter="container.restart_count>0", changes="structure"),
    ]
)


def name_parts(parts: Mapping[str, Any]) -> dict[str, Any]:
    """Return parts whose names are their keys."""
    return {key: replace(part, name=key) for key, part in parts.items()}


@st.composite
def topologies(draw: st.DrawFn) -> Topology:
    """Return a topology of a few objects, whose IDs and names recur in others."""
    clusters, nodes, pods = {}, {}, {}
    for key in draw(st.sets(st.sampled_from(CLUSTERS), min_size=1)):
        clusters[key] = Cluster(key=key, uid=f"{key}-uid", name=key, last_seen_seconds=draw(SECONDS))
        for number in draw(st.sets(st.integers(0, 2))):
            fields: dict[str, Any] = draw(NODES)
            fields["sensors"] = name_parts(fields["sensors"])
            nodes[key, f"n{number}"] = Node(cluster=key, key=f"n{number}", id=f"{key}/n{number}", **fields)
        for number in draw(st.sets(st.integers(0, 2))):
            pod_fields: dict[str, Any] = draw(PODS)
            pod_fields["containers"] = name_parts(pod_fields["containers"])
            pods[key, f"p{number}"] = Pod(
                cluster=key, key=f"p{number}", id=f"p{number}", name=f"p{number}", namespace="d", **pod_fields
            )
    return add_version(
        Topology(
            clusters=dict(sorted(clusters.items())),
            nodes=dict(sorted(nodes.items())),
            pods=dict(sorted(pods.items())),
            controllers=draw(st.sampled_from([(), ("c1",)])),
            oldest_sample_seconds=draw(SECONDS),
        )
    )


def remove_measurements(item: Any) -> Any:
    """Return an object without measurements, also in its parts."""
    values: dict[str, Any] = {}
    for name in type(item).__struct_fields__:
        value = getattr(item, name)
        if name in FIELD_CLASSES[type(item)].measurements:
            values[name] = None
        elif isinstance(value, Mapping):
            parts = {key: remove_measurements(each) for key, each in value.items() if isinstance(each, msgspec.Struct)}
            values[name] = parts or value
    return replace(item, **values)


def list_expected(topology: Topology, options: WatchOptions, *, is_json: bool) -> Objects:
    """Return what the lists of a topology show, without the objects that `cluster` leaves out."""
    expected = {}
    for kind in (options.kind,) if options.kind else RESOURCES:
        fields = ("id", *(() if kind == "clusters" else ("cluster",)), *options.fields) if options.fields else ()
        plan = LookupPlan(RESOURCES[kind], LookupOptions(options.filter, options.labels, fields, options.depth))
        matches = plan.build_predicate(topology) or (lambda _item: True)
        shown = [
            item
            for item in TopologyIndex(topology).list_objects(plan.resource.kind)  # type: ignore[arg-type] # not the topology
            if matches(item) and options.cluster in ("", (item.cluster.key if kind == "clusters" else item.cluster))
        ]
        for item in shown:
            model_object = item.cluster if kind == "clusters" else item
            if options.changes == "structure":
                model_object = remove_measurements(model_object)
            expected[kind, *get_object_key(model_object)] = encode_alone(
                model_object, kind, fields, options.depth, is_json=is_json
            )
    return expected


def encode_alone(item: Any, kind: str, fields: tuple[str, ...], depth: int | None, *, is_json: bool) -> bytes:
    """Return what the list of a topology with this object alone contains."""
    cluster = item if kind == "clusters" else Cluster(key=item.cluster, uid="u")
    members: dict[str, Any] = {} if kind == "clusters" else {kind: {(item.cluster, item.key): item}}
    index = TopologyIndex(Topology(clusters={cluster.key: cluster}, **members))
    plan = LookupPlan(RESOURCES[kind], LookupOptions(fields=fields, depth=depth))
    body = execute_lookup(index, plan, (), JSON_ENCODER if is_json else PROTOBUF_ENCODER).body
    if is_json:
        (shown,) = msgspec.json.decode(body)[kind]
        return msgspec.json.encode(shown, order="sorted")
    (message,) = getattr(getattr(pb, f"List{kind.capitalize()}Response").FromString(body), kind)
    return serialize_message(message)


class Replica:
    """A gateway: its current topology, its history, and its watches."""

    def __init__(self, topology: Topology, *, is_json: bool, max_versions: int) -> None:
        history = VersionHistory(max_versions)
        history.record(topology)
        self.source = FakeSnapshotProvider(build_snapshot(topology=topology), history=history)
        encoder = partial(ServerSentEventEncoder if is_json else MessageEncoder, max_part_objects=2)
        self.service = WatchService(self.source, encoder, OwnMetrics())


class Client:
    """Keeps a copy over connections to replicas."""

    def __init__(self, options: WatchOptions, grant: Grant, *, is_json: bool, min_interval_seconds: float) -> None:
        self.copy: WatchCopy = JsonCopy() if is_json else MessageCopy()
        self._options = options
        self._grant = grant
        self._is_json = is_json
        self._min_interval_seconds = min_interval_seconds
        self._replica: Replica | None = None
        self._stream: Any = None

    async def connect(self, replica: Replica) -> None:
        """Connect, with the version of the copy."""
        await self.disconnect()
        request = WatchRequest(self._options, self.copy.version, self._min_interval_seconds)
        self._replica = replica
        # At its first connection, a client cannot watch a cluster that is gone.
        with contextlib.suppress(NotFoundError):
            self._stream = (await replica.service.open(self._grant, request)).stream()

    async def disconnect(self) -> None:
        """Lose the connection."""
        if self._stream is not None:
            await self._stream.aclose()
            self._stream = None
        self.copy.disconnect()

    async def read(self, count: int) -> None:
        """Read some events, at most until the copy has the current version."""
        for _ in range(count):
            if self._stream is None or self._is_current():
                return
            self.copy.apply(await anext(self._stream))

    async def check(self) -> None:
        """Read until the copy has the current version, and compare it."""
        if self._stream is None:
            return
        while not self._is_current():
            self.copy.apply(await anext(self._stream))
        topology = self._get_topology()
        assert self.copy.list_objects() == list_expected(topology, self._options, is_json=self._is_json)
        if isinstance(self.copy, JsonCopy) and self._options == WatchOptions():
            properties = self.copy.properties or {}
            assert properties.get("controllers", []) == list(topology.controllers)
            assert ("oldestSampleTime" in properties) == (topology.oldest_sample_seconds is not None)

    def _get_topology(self) -> Topology:
        assert self._replica is not None
        return self._replica.source.current_snapshot.restrict(self._grant).topology

    def _is_current(self) -> bool:
        return self.copy.version == self._get_topology().version


@settings(max_examples=HISTORY_COUNT, deadline=None)
@given(data=st.data(), options=WATCH_OPTIONS, grant=st.sampled_from([UNRESTRICTED, RESTRICTED]), is_json=st.booleans())
def test_a_copy_equals_every_version(data: st.DataObject, options: WatchOptions, grant: Grant, is_json: bool) -> None:
    """A copy that is kept by changes equals the lists, whatever is lost, slow, restarted, filtered or restricted."""
    check_history(data, options, grant, is_json=is_json)


def check_history(data: st.DataObject, options: WatchOptions, grant: Grant, *, is_json: bool) -> None:
    """Run one random history."""
    asyncio.run(run_history(data, options, grant, is_json=is_json))


async def run_history(data: st.DataObject, options: WatchOptions, grant: Grant, *, is_json: bool) -> None:
    """Publish topologies, and let two clients follow them."""
    max_versions = data.draw(st.sampled_from([1, 3, 100]))
    create_replica = partial(Replica, is_json=is_json, max_versions=max_versions)
    whole = data.draw(topologies().filter(lambda topology: len(topology.clusters) == len(CLUSTERS)))
    replicas = [create_replica(whole), create_replica(whole)]
    intervals = data.draw(st.tuples(*[st.sampled_from([0, 0.001])] * 2))
    clients = [Client(options, grant, is_json=is_json, min_interval_seconds=each) for each in intervals]
    for client, replica in zip(clients, replicas, strict=True):
        await client.connect(replica)
    for _ in range(data.draw(st.integers(1, 6))):
        topology = data.draw(topologies())
        for number, replica in enumerate(replicas):
            if data.draw(st.booleans()):
                replica.source.publish(build_snapshot(topology=topology))
            elif data.draw(st.sampled_from([False, False, True])):
                for client in clients:
                    await client.disconnect()
                replicas[number] = create_replica(replica.source.current_snapshot.topology)
                for client in clients:
                    await client.connect(replicas[number])
        for client in clients:
            match data.draw(st.sampled_from(["check", "read", "sleep", "reconnect"])):
                case "check":
                    await client.check()
                case "read":
                    await client.read(data.draw(st.integers(1, 4)))
                case "reconnect":
                    await client.connect(data.draw(st.sampled_from(replicas)))
    for client in clients:
        await client.check()
        await client.disconnect()
