"""Lookups and their caches: results, paged snapshots, warming, and who may see them."""

import asyncio
import threading
from collections.abc import Callable
from dataclasses import replace

import pytest
from msgspec.structs import replace as replace_struct
from structlog.testing import capture_logs

from aggregator.errors import NotFoundError, RequestError, VersionGoneError
from aggregator.lookup.request import ContinueToken, LookupOptions, Resource
from aggregator.lookup.results import JSON_ENCODER, TopologyIndex
from aggregator.models.grant import UNRESTRICTED, Grant
from aggregator.models.topology import Cluster, Node, Topology, add_version
from aggregator.server.lookup_service import (
    PAGED_SNAPSHOT_TTL_SECONDS,
    LookupRequest,
    LookupService,
    PagedSnapshotCache,
)
from tests.server.snapshot_provider import FakeSnapshotProvider, build_snapshot

# Longer than anything here takes on a busy machine.
DEADLINE_SECONDS = 20.0
OWN_GRANT = Grant(frozenset({"mine"}))
FIRST_PAGE_REQUEST = LookupRequest(Resource.NODES, (), LookupOptions(limit=1))


def build_owned_topology(number: int) -> Topology:
    """Return a topology of two tenants; the number determines its version."""
    nodes = [Node(cluster=name, key=key, cpu_cores=number) for name in ("mine", "theirs") for key in ("a", "b")]
    return add_version(
        Topology(
            clusters={name: Cluster(key=name, uid=f"uid {name}", name=name) for name in ("mine", "theirs")},
            nodes={(node.cluster, node.key): node for node in nodes},
        )
    )


def build_next_page_request(body: bytes) -> LookupRequest:
    """Return the request for the next page."""
    token = body.rpartition(b'"continueToken":"')[2].partition(b'"')[0].decode()
    return LookupRequest(Resource.NODES, (), LookupOptions(limit=1, continue_token=token))


async def test_results_are_cached() -> None:
    """The same request for the same topology version returns the cached result."""
    source = FakeSnapshotProvider(current_snapshot=build_snapshot(topology=build_owned_topology(1)))
    lookups = LookupService(source, JSON_ENCODER)
    request = LookupRequest(Resource.NODE, ("mine", "a"), LookupOptions())
    assert lookups.find_cached(UNRESTRICTED, b"x") is None
    found = await lookups.look_up(UNRESTRICTED, b"x", request)
    cached = lookups.find_cached(UNRESTRICTED, b"x")
    assert cached is not None
    assert cached.result is found.result
    source.current_snapshot = build_snapshot(topology=build_owned_topology(2))
    assert lookups.find_cached(UNRESTRICTED, b"x") is None


async def test_the_result_cache_is_limited() -> None:
    """Results are cached up to a number of bytes; the oldest are evicted."""
    lookups = LookupService(
        FakeSnapshotProvider(current_snapshot=build_snapshot(topology=build_owned_topology(1))),
        JSON_ENCODER,
        max_cache_bytes=1000,
    )
    request = LookupRequest(Resource.NODE, ("mine", "a"), LookupOptions())
    keys = (b"1", b"2", b"3")
    for key in keys:
        await lookups.look_up(UNRESTRICTED, key, request)
    assert [lookups.find_cached(UNRESTRICTED, key) is not None for key in keys] == [False, True, True]


async def test_a_restricted_caller_sees_its_clusters_only() -> None:
    """Hidden objects are reported like missing ones, and never suggested."""
    lookups = LookupService(
        FakeSnapshotProvider(current_snapshot=build_snapshot(topology=build_owned_topology(1))), JSON_ENCODER
    )
    with pytest.raises(NotFoundError) as hidden:
        await lookups.look_up(OWN_GRANT, b"1", LookupRequest(Resource.CLUSTER, ("theirs",), LookupOptions()))
    with pytest.raises(NotFoundError) as missing:
        await lookups.look_up(OWN_GRANT, b"2", LookupRequest(Resource.CLUSTER, ("theirx",), LookupOptions()))
    assert str(hidden.value).replace("theirs", "theirx") == str(missing.value)
    assert (
        b"theirs"
        not in (await lookups.look_up(OWN_GRANT, b"3", LookupRequest(Resource.NODES, (), LookupOptions()))).result.body
    )


async def test_cached_results_are_not_shared_with_restricted_callers() -> None:
    """The same request of a restricted caller is evaluated again."""
    lookups = LookupService(
        FakeSnapshotProvider(current_snapshot=build_snapshot(topology=build_owned_topology(1))), JSON_ENCODER
    )
    request = LookupRequest(Resource.NODE, ("theirs", "a"), LookupOptions())
    await lookups.look_up(UNRESTRICTED, b"x", request)
    assert lookups.find_cached(OWN_GRANT, b"x") is None
    with pytest.raises(NotFoundError):
        await lookups.look_up(OWN_GRANT, b"x", request)


async def test_a_continue_token_is_useless_for_another_caller() -> None:
    """The token of an unrestricted caller does not give a restricted caller access to its snapshot."""
    source = FakeSnapshotProvider(current_snapshot=build_snapshot(topology=build_owned_topology(1)))
    lookups = LookupService(source, JSON_ENCODER)
    first = await lookups.look_up(UNRESTRICTED, b"x", FIRST_PAGE_REQUEST)
    for topology in (build_owned_topology(1), build_owned_topology(2)):
        source.current_snapshot = build_snapshot(topology=topology)
        with pytest.raises(VersionGoneError):
            await lookups.look_up(OWN_GRANT, b"x", build_next_page_request(first.result.body))
    assert (
        await lookups.look_up(UNRESTRICTED, b"x", build_next_page_request(first.result.body))
    ).snapshot.topology == build_owned_topology(1)


async def test_only_paged_snapshots_are_retained() -> None:
    """A snapshot without issued continue tokens is gone when it is replaced."""
    source = FakeSnapshotProvider(current_snapshot=build_snapshot(topology=build_owned_topology(1)))
    lookups = LookupService(source, JSON_ENCODER)
    found = await lookups.look_up(UNRESTRICTED, b"x", LookupRequest(Resource.NODES, (), LookupOptions()))
    request_digest = found.result.etag_key.partition("-")[0]
    source.current_snapshot = build_snapshot(topology=build_owned_topology(2))
    token = str(ContinueToken(build_owned_topology(1).version, request_digest, 4, 1))
    with pytest.raises(RequestError) as gone:
        await lookups.look_up(
            UNRESTRICTED, b"x", LookupRequest(Resource.NODES, (), LookupOptions(continue_token=token))
        )
    assert isinstance(gone.value, VersionGoneError)


async def test_equal_concurrent_requests_share_one_lookup() -> None:
    """Of concurrent equal requests, such as long polls after a refresh, one is looked up and all get its result."""
    encoded = list[object]()

    def encode_object(each: object) -> bytes:
        encoded.append(each)
        return JSON_ENCODER.encode_object(each)

    lookups = LookupService(
        FakeSnapshotProvider(current_snapshot=build_snapshot(topology=build_owned_topology(1))),
        replace(JSON_ENCODER, encode_object=encode_object),
    )
    request = LookupRequest(Resource.NODE, ("mine", "a"), LookupOptions(fields=("name",)))
    responses = await asyncio.gather(*(lookups.look_up(UNRESTRICTED, b"x", request) for _ in range(20)))
    assert len({id(each.result) for each in responses}) == 1
    assert len(encoded) == 1


async def test_a_shared_lookup_outlives_one_client() -> None:
    """A client that disconnects does not end the lookup for others; a failed lookup is repeated."""
    lookups = LookupService(
        FakeSnapshotProvider(current_snapshot=build_snapshot(topology=build_owned_topology(1))), JSON_ENCODER
    )
    request = LookupRequest(Resource.NODE, ("mine", "a"), LookupOptions())
    gone, stays = (asyncio.ensure_future(lookups.look_up(UNRESTRICTED, b"x", request)) for _ in range(2))
    await asyncio.wait({gone}, timeout=0)
    gone.cancel()
    assert (await stays).result.body
    missing = LookupRequest(Resource.NODE, ("mine", "z"), LookupOptions())
    for _ in range(2):
        with pytest.raises(NotFoundError):
            await lookups.look_up(UNRESTRICTED, b"y", missing)


async def test_a_client_that_tries_again_joins_its_lookup() -> None:
    """A lookup that its client has given up goes on, is joined by the next equal request, and its result is cached."""
    begun, is_released = list[object](), threading.Event()

    def encode_object(each: object) -> bytes:
        begun.append(each)
        assert is_released.wait(DEADLINE_SECONDS)
        return JSON_ENCODER.encode_object(each)

    lookups = LookupService(
        FakeSnapshotProvider(current_snapshot=build_snapshot(topology=build_owned_topology(1))),
        replace(JSON_ENCODER, encode_object=encode_object),
    )
    request = LookupRequest(Resource.NODE, ("mine", "a"), LookupOptions(fields=("name",)))
    try:
        for _ in range(3):
            task = asyncio.create_task(lookups.look_up(UNRESTRICTED, b"x", request))
            await wait_until(lambda: bool(begun))
            # A second lookup would have begun by now.
            await asyncio.to_thread(int)
            task.cancel()
            await asyncio.wait([task])
    finally:
        is_released.set()
    await wait_until(lambda: lookups.find_cached(UNRESTRICTED, b"x") is not None)
    assert len(begun) == 1


async def test_the_digest_of_a_restricted_caller_ignores_hidden_clusters() -> None:
    """The content digest of a restricted caller's list stays the same while only hidden objects change."""
    source = FakeSnapshotProvider(current_snapshot=build_snapshot(topology=build_owned_topology(1)))
    lookups = LookupService(source, JSON_ENCODER)
    request = LookupRequest(Resource.NODES, (), LookupOptions(filter="cpu_cores<9"))
    digests = {}
    for grant in (UNRESTRICTED, OWN_GRANT):
        digests[grant] = (await lookups.look_up(grant, b"x", request)).result.content_digest
    topology = build_owned_topology(1)
    hidden = {("theirs", "a"): Node(cluster="theirs", key="a", cpu_cores=2)}
    source.current_snapshot = build_snapshot(
        topology=add_version(replace_struct(topology, nodes={**topology.nodes, **hidden}))
    )
    assert (await lookups.look_up(OWN_GRANT, b"x", request)).result.content_digest == digests[OWN_GRANT]
    assert (await lookups.look_up(UNRESTRICTED, b"x", request)).result.content_digest != digests[UNRESTRICTED]


class SettableClock:
    """A clock that a test sets."""

    seconds = 0.0

    def __call__(self) -> float:
        """Return the time."""
        return self.seconds


def is_cached(paged: PagedSnapshotCache, number: int) -> bool:
    """Return whether a snapshot is cached."""
    return paged.find(UNRESTRICTED, build_owned_topology(number).version) is not None


def cache_topology(paged: PagedSnapshotCache, number: int) -> None:
    """Cache a snapshot."""
    paged.add(
        UNRESTRICTED, build_snapshot(topology=build_owned_topology(number)), TopologyIndex(build_owned_topology(number))
    )


def test_paged_snapshots_expire() -> None:
    """A paged snapshot is evicted if no page is requested for a while."""
    clock = SettableClock()
    paged = PagedSnapshotCache(clock=clock)
    cache_topology(paged, 1)
    clock.seconds = PAGED_SNAPSHOT_TTL_SECONDS - 1
    assert is_cached(paged, 1)
    cache_topology(paged, 1)
    clock.seconds = 2 * PAGED_SNAPSHOT_TTL_SECONDS - 2
    assert is_cached(paged, 1)
    clock.seconds = 2 * PAGED_SNAPSHOT_TTL_SECONDS
    assert not is_cached(paged, 1)
    assert not paged.has_entries


def test_paged_snapshots_are_limited() -> None:
    """The latest snapshot is kept whatever its size; older ones up to the limit."""
    paged = PagedSnapshotCache(max_objects=13)
    for number in (1, 2, 3, 4):
        cache_topology(paged, number)
    assert [is_cached(paged, number) for number in (1, 2, 3, 4)] == [False, True, True, True]
    paged = PagedSnapshotCache(max_objects=0)
    cache_topology(paged, 1)
    assert is_cached(paged, 1)


async def test_nodes_are_encoded_in_advance() -> None:
    """If lists of nodes are requested, the nodes of the next topology are encoded before the next request."""
    source = FakeSnapshotProvider(current_snapshot=build_snapshot(topology=build_owned_topology(1)))
    written = list[Node]()

    def node(each: Node) -> bytes:
        written.append(each)
        return JSON_ENCODER.encode_node(each)

    lookups = LookupService(source, replace(JSON_ENCODER, encode_node=node))
    await lookups.look_up(UNRESTRICTED, b"x", LookupRequest(Resource.NODES, (), LookupOptions()))
    await wait_until(lambda: bool(source.waiters))
    (ahead,) = (task for task in asyncio.all_tasks() if task.get_name() == "cache warming")
    source.publish(build_snapshot(topology=build_owned_topology(2)))
    await asyncio.wait_for(ahead, DEADLINE_SECONDS)
    assert written == [*build_owned_topology(1).nodes.values(), *build_owned_topology(2).nodes.values()]
    assert not source.waiters
    await lookups.look_up(UNRESTRICTED, b"x", LookupRequest(Resource.NODES, (), LookupOptions()))
    assert len(written) == 2 * len(build_owned_topology(1).nodes)


async def test_a_single_node_starts_no_cache_warming() -> None:
    """The request for one node does not cause the encoding of all nodes of the next topology."""
    source = FakeSnapshotProvider(current_snapshot=build_snapshot(topology=build_owned_topology(1)))
    await LookupService(source, JSON_ENCODER).look_up(
        UNRESTRICTED, b"x", LookupRequest(Resource.NODE, ("mine", "a"), LookupOptions())
    )
    async with asyncio.timeout(DEADLINE_SECONDS):
        await asyncio.to_thread(int)
    assert not source.waiters


async def test_cache_warming_ends_without_list_requests() -> None:
    """Requests for single nodes do not continue the cache warming."""
    source = FakeSnapshotProvider(current_snapshot=build_snapshot(topology=build_owned_topology(1)))
    lookups = LookupService(source, JSON_ENCODER)
    await lookups.look_up(UNRESTRICTED, b"x", LookupRequest(Resource.NODES, (), LookupOptions()))
    await wait_until(lambda: bool(source.waiters))
    source.publish(build_snapshot(topology=build_owned_topology(2)))
    await wait_until(lambda: not source.waiters)
    await lookups.look_up(UNRESTRICTED, b"y", LookupRequest(Resource.NODE, ("mine", "a"), LookupOptions()))
    await asyncio.to_thread(int)
    assert not source.waiters


async def test_failures_of_cache_warming_are_logged() -> None:
    """A failure of the cache warming affects no request."""
    source = FakeSnapshotProvider(current_snapshot=build_snapshot(topology=build_owned_topology(1)))
    second = build_owned_topology(2)
    later = set(map(id, second.nodes.values()))

    def node(each: Node) -> bytes:
        if id(each) in later:
            raise MemoryError
        return JSON_ENCODER.encode_node(each)

    with capture_logs() as logged:
        await LookupService(source, replace(JSON_ENCODER, encode_node=node)).look_up(
            UNRESTRICTED, b"x", LookupRequest(Resource.NODES, (), LookupOptions())
        )
        await wait_until(lambda: bool(source.waiters))
        source.publish(build_snapshot(topology=second))
        await wait_until(lambda: bool(logged))
    assert [line["event"] for line in logged] == ["cache warming failed"]


async def wait_until(condition: Callable[[], bool]) -> None:
    """Yield to other tasks until a condition is true."""
    async with asyncio.timeout(DEADLINE_SECONDS):
        while not condition():
            await asyncio.to_thread(int)
