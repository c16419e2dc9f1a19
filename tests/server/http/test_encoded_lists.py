"""Compressed lists over HTTP: complete lists are compressed once, filtered ones not at all."""

import asyncio
import gzip
from typing import Any

import pytest
import zstandard

from aggregator.models.topology import Cluster, Container, Node, Pod, Topology, add_version
from aggregator.refresh.snapshot import RenderedTopology
from aggregator.server.http.documents import EncodedListCache
from aggregator.views.renderers import RENDERERS
from tests.server.running_servers import ServerPorts
from tests.server.snapshot_provider import FakeSnapshotProvider, build_snapshot
from tests.support.http_client import send_request

OBJECT_KEYS = [("c", f"thing-{number}") for number in range(60)]
LARGE_TOPOLOGY = add_version(
    Topology(
        clusters={f"c{end}": Cluster(key=f"c{end}", uid=f"uid {end}", name=f"c{end}") for end in ("", *range(60))},
        nodes={key: Node(cluster="c", key=key[1], name=key[1], architecture="x86_64") for key in OBJECT_KEYS},
        pods={
            key: Pod(cluster="c", key=key[1], name=key[1], namespace="n", containers={"app": Container("app")})
            for key in OBJECT_KEYS
        },
    )
)
LIST_PATHS = ["clusters", "nodes", "pods", "containers", "clusters/c/nodes", "clusters/c/pods"]
FILTERED_PATHS = ["nodes?filter=architecture", "nodes?fields=name", "pods?limit=25", "pods?depth=3", "clusters/c"]


@pytest.fixture
def source(source: FakeSnapshotProvider) -> FakeSnapshotProvider:
    """Make the open servers serve lists that are large enough for compression."""
    source.current_snapshot = build_snapshot(topology=LARGE_TOPOLOGY)
    return source


@pytest.mark.parametrize("path", LIST_PATHS)
@pytest.mark.parametrize(("coding", "unpack"), [("gzip", gzip.decompress), ("zstd", zstandard.decompress)])
def test_complete_lists_are_compressed(
    source: FakeSnapshotProvider, ports: ServerPorts, path: str, coding: str, unpack: object
) -> None:
    """A complete list is compressed on request, and its entity tags match with and without compression."""
    assert source.failure is None
    plain = send_request(ports.http, f"/api/v1/{path}")
    packed = send_request(ports.http, f"/api/v1/{path}", headers=[("Accept-Encoding", coding)])
    assert (packed.headers["Content-Encoding"], packed.headers["Content-Length"]) == (coding, str(len(packed.body)))
    assert unpack(packed.body) == plain.body  # type: ignore[operator] # one of the two above
    assert len(packed.body) < len(plain.body) / 2
    assert packed.headers["ETag"] == f'{plain.headers["ETag"][:-1]}+{coding}"'
    assert plain.headers["Vary"] == packed.headers["Vary"] == "accept-encoding"
    for answer in (plain, packed):
        known = [("If-None-Match", answer.headers["ETag"]), ("Accept-Encoding", coding)]
        assert send_request(ports.http, f"/api/v1/{path}?wait=1ms", headers=known).status == 304


@pytest.mark.parametrize("path", FILTERED_PATHS)
def test_filtered_lists_are_not_compressed(source: FakeSnapshotProvider, ports: ServerPorts, path: str) -> None:
    """Single objects, pages, and filtered or masked lists are not compressed."""
    assert source.failure is None
    answer = send_request(ports.http, f"/api/v1/{path}", headers=[("Accept-Encoding", "gzip, zstd")])
    assert (answer.status, len(answer.body) >= 1024) == (200, True)
    assert "Content-Encoding" not in answer.headers
    assert answer.headers["Vary"] == "accept-encoding"
    assert answer.json()


def test_short_lists_are_not_compressed(source: FakeSnapshotProvider, ports: ServerPorts) -> None:
    """A list that fits into one packet is not compressed."""
    source.current_snapshot = build_snapshot()
    answer = send_request(ports.http, "/api/v1/pods", headers=[("Accept-Encoding", "gzip")])
    assert "Content-Encoding" not in answer.headers


async def test_a_list_is_compressed_once() -> None:
    """All requests for a list of one version get the same bytes, also while it is being compressed."""
    lists = EncodedListCache()
    rendered_topology, others = (RenderedTopology(LARGE_TOPOLOGY, 0.0, RENDERERS) for _ in range(2))
    asked = [lists.encode(rendered_topology, "list", b"x" * 100_000, "gzip") for _ in range(3)]
    (first, _), (second, _), (third, _) = await asyncio.gather(*asked)
    assert first is second is third
    again, _ = await lists.encode(rendered_topology, "list", b"x" * 100_000, "gzip")
    assert again is first
    for of, identity, coding in (
        (others, "list", "gzip"),
        (rendered_topology, "another", "gzip"),
        (rendered_topology, "list", "zstd"),
    ):
        other, _ = await lists.encode(of, identity, b"x" * 100_000, coding)
        assert other is not first


async def test_a_cancelled_request_does_not_stop_compression() -> None:
    """A list that is compressed for two requests is compressed for the one that remains."""
    lists, rendered_topology = EncodedListCache(), RenderedTopology(LARGE_TOPOLOGY, 0.0, RENDERERS)
    gone, stays = (
        asyncio.ensure_future(lists.encode(rendered_topology, "list", b"x" * 100_000, "gzip")) for _ in range(2)
    )
    await asyncio.wait({gone}, timeout=0)
    gone.cancel()
    body, _ = await stays
    assert gzip.decompress(body) == b"x" * 100_000


async def test_failed_compression_is_repeated() -> None:
    """A failure is not cached."""
    lists, rendered_topology = EncodedListCache(), RenderedTopology(LARGE_TOPOLOGY, 0.0, RENDERERS)
    no_bytes: Any = "x" * 100_000
    with pytest.raises(TypeError):
        await lists.encode(rendered_topology, "list", no_bytes, "gzip")
    body, _ = await lists.encode(rendered_topology, "list", b"x" * 100_000, "gzip")
    assert gzip.decompress(body) == b"x" * 100_000
