"""The lookup service for HTTP and gRPC, and the caches that avoid repeating lookups.

Each cache belongs to one object and has a limit:

* `_ResultCache`, one for each lookup service: results by topology version and request, up to 32 MiB.
* `PagedSnapshotCache`, one for each lookup service: replaced snapshots for 60 s after a page, up to 100,000 objects.
* Topology indexes, in the lookup service: freed with the documents of their topology. Each also keeps the encoding of
  each node (`TopologyIndex.get_encoded_nodes`), and the complete summary of each kind (`TopologyIndex.summaries`).

The other caches of responses are `EncodedListCache` and the prepared documents of `DocumentResponder` in the HTTP
server, `RenderedQuality`, and the restricted copies of `RenderedTopology`.
"""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple, Protocol
from weakref import WeakKeyDictionary

from aggregator.errors import NoTopologyError
from aggregator.lookup.request import LookupOptions, Resource, create_lookup_plan, parse_continue_token
from aggregator.lookup.results import LookupResult, ResultEncoder, TopologyIndex, encode_all_nodes, execute_lookup
from aggregator.models.grant import Grant
from aggregator.observability.logs import get_logger
from aggregator.refresh.snapshot import RenderedTopology, Snapshot
from aggregator.server.visibility import SnapshotProvider, get_cached_visible_snapshot, get_visible_snapshot
from aggregator.util.single_flight import SingleFlight

# Enough for a lookup of each of 20,000 nodes, or for some long lists.
MAX_RESULT_CACHE_BYTES = 32 * 2**20
# A larger result would evict too many others.
MAX_CACHED_RESULT_BYTES = 4 * 2**20
# What a cached result costs in addition to its key and body.
_CACHE_ENTRY_OVERHEAD_BYTES = 400

# The time a client has to request the next page.
PAGED_SNAPSHOT_TTL_SECONDS = 60.0
# Limit for the clusters, nodes and pods of all paged snapshots except the most recent one.
MAX_PAGED_OBJECTS = 100_000

# A topology version, and the bytes of a request.
_ResultKey = tuple[str, bytes]

_log = get_logger(__name__)


class IndexRequest(Protocol):
    """A request that is answered from the index of a topology."""

    @property
    def cache_key(self) -> bytes:
        """What identifies the request in caches: equal for every order and encoding of its parameters."""

    @property
    def continue_token(self) -> str:
        """The position of a page, "" for the first one."""

    @property
    def is_paged(self) -> bool:
        """Whether the request is for one page. A client requests each page once, so it is not worth caching."""

    @property
    def is_node_list(self) -> bool:
        """Whether the request is for a list of nodes, whose encoding can be prepared for the next topology."""

    @property
    def has_version(self) -> bool:
        """Whether the response contains the topology version, which its entity tag does not cover."""

    def validate(self) -> None:
        """Raise a RequestError if the request is invalid for every topology."""

    def execute(self, index: TopologyIndex, encoder: ResultEncoder) -> LookupResult:
        """Return the result; raise a RequestError if the request is invalid or names an unknown object."""


@dataclass(frozen=True)
class LookupRequest:
    """A lookup: the resource, the names in its path, and the options."""

    resource: Resource
    names: tuple[str, ...]
    options: LookupOptions

    @property
    def continue_token(self) -> str:
        """The position of a page, "" for the first one."""
        return self.options.continue_token

    @property
    def is_paged(self) -> bool:
        """Whether the request is for one page."""
        return self.options.limit is not None or bool(self.options.continue_token)

    @property
    def cache_key(self) -> bytes:
        """What identifies the request in caches."""
        return repr((self.resource.name, self.names, self.options)).encode()

    @property
    def is_full_list(self) -> bool:
        """Whether the request is for a complete list with all fields."""
        return not self.resource.is_single and self.options == LookupOptions()

    @property
    def is_node_list(self) -> bool:
        """Whether the request is for a list of nodes."""
        return self.resource is Resource.NODES

    @property
    def has_version(self) -> bool:
        """Whether the response contains the topology version: lists do."""
        return not self.resource.is_single

    def validate(self) -> None:
        """Raise a RequestError if an option is invalid."""
        create_lookup_plan(self.resource, self.options)

    def execute(self, index: TopologyIndex, encoder: ResultEncoder) -> LookupResult:
        """Return the result of the lookup."""
        result = execute_lookup(index, create_lookup_plan(self.resource, self.options), self.names, encoder)
        return result._replace(is_full_list=self.is_full_list)


class LookupResponse(NamedTuple):
    """A lookup result, and the snapshot that it was made from."""

    snapshot: Snapshot
    result: LookupResult


class LookupService:
    """Answers lookups with one encoder. Used on the event loop only; lookups themselves run on threads."""

    def __init__(
        self, snapshots: SnapshotProvider, encoder: ResultEncoder, max_cache_bytes: int = MAX_RESULT_CACHE_BYTES
    ) -> None:
        self._snapshots = snapshots
        self._encoder = encoder
        self._results = _ResultCache(max_cache_bytes)
        # Lookups in progress, which equal requests share: after a refresh, all long polls look up at once.
        self._running: SingleFlight[LookupResult] = SingleFlight()
        self._executor = ThreadPoolExecutor(thread_name_prefix="lookup")
        self._paged_snapshots = PagedSnapshotCache()
        self._indexes: WeakKeyDictionary[RenderedTopology, TopologyIndex] = WeakKeyDictionary()
        self._cache_warmer = CacheWarmer(snapshots, self._prepare_node_encoding)

    def find_cached(self, grant: Grant, request_key: bytes, past: Snapshot | None = None) -> LookupResponse | None:
        """Return the cached response to a request with the same key, from a past snapshot or else the current one."""
        visible = get_cached_visible_snapshot(self._snapshots, grant, past)
        if visible is None:
            return None
        result = self._results.find((visible.topology.version, request_key))
        return None if result is None else LookupResponse(visible, result)

    async def look_up(
        self, grant: Grant, request_key: bytes, request: IndexRequest, past: Snapshot | None = None
    ) -> LookupResponse:
        """Return the response to a request, from a past snapshot or else the current one.

        Raises a RequestError if the request is invalid or names an unknown object.
        """
        visible = await get_visible_snapshot(self._snapshots, grant, past)
        snapshot, index = self._select_index(grant, visible, request.continue_token)
        key = snapshot.topology.version, request_key
        result = await self._running.run_on_thread(
            key,
            self._executor.submit,
            partial(request.execute, index, self._encoder),
            # Also if the client has given up: it can get the result when it tries again.
            None if request.is_paged else partial(self._results.add, key),
        )
        if (
            past is None
            and request.is_node_list
            and grant.is_unrestricted
            and index.are_most_nodes_encoded(self._encoder.name)
        ):
            self._cache_warmer.schedule(snapshot.topology.version)
        if result.has_next_page:
            self._retain_for_paging(grant, snapshot, index)
        return LookupResponse(snapshot, result)

    def _select_index(self, grant: Grant, visible: Snapshot, token: str) -> tuple[Snapshot, TopologyIndex]:
        """Return the snapshot to look in: the one of a continue token if it is still cached, else the current one."""
        if token:
            version = parse_continue_token(token).version
            retained = self._paged_snapshots.find(grant, version)
            if retained is not None and version != visible.topology.version:
                return retained
        return visible, self._get_index(visible)

    def _get_index(self, visible: Snapshot) -> TopologyIndex:
        return self._indexes.setdefault(visible.rendered_topology, TopologyIndex(visible.topology))

    def _prepare_node_encoding(self, snapshot: Snapshot) -> Callable[[], None]:
        return partial(encode_all_nodes, self._get_index(snapshot), self._encoder)

    def _retain_for_paging(self, grant: Grant, snapshot: Snapshot, index: TopologyIndex) -> None:
        """Cache a snapshot until its pages are requested, and free it later even if no request ever arrives."""
        if not self._paged_snapshots.has_entries:
            self._schedule_eviction()
        self._paged_snapshots.add(grant, snapshot, index)

    def _schedule_eviction(self) -> None:
        asyncio.get_running_loop().call_later(PAGED_SNAPSHOT_TTL_SECONDS, self._evict_paged_snapshots)

    def _evict_paged_snapshots(self) -> None:
        self._paged_snapshots.evict()
        if self._paged_snapshots.has_entries:
            self._schedule_eviction()


class _ResultCache:
    """Lookup results, up to a number of bytes; the oldest are evicted first."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._total_bytes = 0
        self._results: dict[_ResultKey, LookupResult] = {}

    def find(self, key: _ResultKey) -> LookupResult | None:
        """Return a cached result."""
        return self._results.get(key)

    def add(self, key: _ResultKey, result: LookupResult) -> None:
        """Cache a result, unless it is too large."""
        size_bytes = _compute_entry_bytes(key, result)
        if size_bytes > MAX_CACHED_RESULT_BYTES or key in self._results:
            return
        self._results[key] = result
        self._total_bytes += size_bytes
        while self._total_bytes > self._max_bytes:
            oldest = next(iter(self._results))
            self._total_bytes -= _compute_entry_bytes(oldest, self._results.pop(oldest))


def _compute_entry_bytes(key: _ResultKey, result: LookupResult) -> int:
    return len(key[1]) + len(result.body) + _CACHE_ENTRY_OVERHEAD_BYTES


_PagedKey = tuple[Grant, str]


class PagedSnapshotCache:
    """Snapshots by grant and topology version, so that clients can request the remaining pages of a list.

    The grant is part of the key: a continue token that another caller received finds nothing.
    """

    def __init__(self, max_objects: int = MAX_PAGED_OBJECTS, clock: Callable[[], float] = time.monotonic) -> None:
        self._max_objects = max_objects
        self._clock = clock
        self._entries: dict[_PagedKey, tuple[float, Snapshot, TopologyIndex]] = {}

    def add(self, grant: Grant, snapshot: Snapshot, index: TopologyIndex) -> None:
        """Cache a snapshot, or extend its time, and evict others that are expired or exceed the limit."""
        key = (grant, snapshot.topology.version)
        self._entries.pop(key, None)
        # Without the documents of all views: only pages are requested from it.
        rendered_topology = RenderedTopology(snapshot.topology, snapshot.rendered_topology.reference_seconds, {})
        reduced_snapshot = snapshot.copy_with_documents(rendered_topology)
        self._entries[key] = (self._clock() + PAGED_SNAPSHOT_TTL_SECONDS, reduced_snapshot, index)
        self.evict()

    @property
    def has_entries(self) -> bool:
        """Whether the cache contains snapshots."""
        return bool(self._entries)

    def find(self, grant: Grant, version: str) -> tuple[Snapshot, TopologyIndex] | None:
        """Return a cached snapshot with its index."""
        self.evict()
        entry = self._entries.get((grant, version))
        return None if entry is None else entry[1:]

    def evict(self) -> None:
        """Remove expired snapshots, and the oldest ones while they exceed the limit."""
        now = self._clock()
        for key in [key for key, (expires_at, *_) in self._entries.items() if expires_at <= now]:
            del self._entries[key]
        older_keys = list(self._entries)[:-1]
        object_count = sum(self._entries[key][2].object_count for key in older_keys)
        for key in older_keys:
            if object_count <= self._max_objects:
                break
            object_count -= self._entries.pop(key)[2].object_count


class CacheWarmer:
    """Encodes lists of the next topology on a thread if clients requested them of the current topology."""

    def __init__(self, snapshots: SnapshotProvider, prepare: Callable[[Snapshot], Callable[[], None]]) -> None:
        """`prepare` is called on the event loop and returns the function to run on a thread."""
        self._snapshots = snapshots
        self._prepare = prepare
        self._task: asyncio.Task[None] | None = None

    def schedule(self, version: str) -> None:
        """Prepare the next topology whose version differs from this one."""
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._warm_next_snapshot(version), name="cache warming")

    async def _warm_next_snapshot(self, version: str) -> None:
        while not self._snapshots.is_stopping:
            await self._snapshots.wait_for_change()
            try:
                snapshot = self._snapshots.get_snapshot()
            except NoTopologyError:
                continue
            if snapshot.topology.version != version:
                try:
                    await asyncio.to_thread(self._prepare(snapshot))
                except Exception:  # noqa: BLE001 - a request for the same object will report the error
                    _log.exception("cache warming failed")
                return
