"""Packed lists over HTTP: whole lists come packed, made once; what is chosen of them comes as it is."""

import asyncio
import gzip
from typing import Any

import pytest
import zstandard

from aggregator.documents import Documents
from aggregator.models.topology import Cluster, Container, Node, Pod, Topology
from aggregator.models.version import versioned
from aggregator.server.packed_lists import PackedLists
from aggregator.views import BY_NAME
from tests.server.exchange import ask
from tests.server.serving import Ports
from tests.server.source import CommandedSource, snapshot

KEYS = [("c", f"thing-{number}") for number in range(60)]
LARGE = versioned(
    Topology(
        clusters={f"c{end}": Cluster(key=f"c{end}", uid=f"uid {end}", name=f"c{end}") for end in ("", *range(60))},
        nodes={key: Node(cluster="c", key=key[1], name=key[1], architecture="x86_64") for key in KEYS},
        pods={
            key: Pod(cluster="c", key=key[1], name=key[1], namespace="n", containers={"app": Container("app")})
            for key in KEYS
        },
    )
)
LISTS = ["clusters", "nodes", "pods", "containers", "clusters/c/nodes", "clusters/c/pods"]
CHOSEN = ["nodes?filter=architecture", "nodes?fields=name", "pods?limit=25", "pods?depth=3", "clusters/c"]


@pytest.fixture
def source(source: CommandedSource) -> CommandedSource:
    """The open servers show lists that are large enough to be packed."""
    source.shown = snapshot(topology=LARGE)
    return source


@pytest.mark.parametrize("path", LISTS)
@pytest.mark.parametrize(("coding", "unpack"), [("gzip", gzip.decompress), ("zstd", zstandard.decompress)])
def test_whole_lists_are_packed(source: CommandedSource, ports: Ports, path: str, coding: str, unpack: object) -> None:
    """A client that can unpack gets a whole list in fewer bytes, whose own tag counts however it asks."""
    assert source.failure is None
    plain = ask(ports.http, f"/api/v1/{path}")
    packed = ask(ports.http, f"/api/v1/{path}", headers=[("Accept-Encoding", coding)])
    assert (packed.headers["Content-Encoding"], packed.headers["Content-Length"]) == (coding, str(len(packed.body)))
    assert unpack(packed.body) == plain.body  # type: ignore[operator] # one of the two above
    assert len(packed.body) < len(plain.body) / 2
    assert packed.headers["ETag"] == f'{plain.headers["ETag"][:-1]}+{coding}"'
    assert plain.headers["Vary"] == packed.headers["Vary"] == "accept-encoding"
    for answer in (plain, packed):
        known = [("If-None-Match", answer.headers["ETag"]), ("Accept-Encoding", coding)]
        assert ask(ports.http, f"/api/v1/{path}?wait=1ms", headers=known).status == 304


@pytest.mark.parametrize("path", CHOSEN)
def test_what_is_chosen_is_not_packed(source: CommandedSource, ports: Ports, path: str) -> None:
    """One object, a page, and what a filter or a mask leaves are for who asked: they come as they are."""
    assert source.failure is None
    answer = ask(ports.http, f"/api/v1/{path}", headers=[("Accept-Encoding", "gzip, zstd")])
    assert (answer.status, len(answer.body) >= 1024) == (200, True)
    assert "Content-Encoding" not in answer.headers
    assert answer.headers["Vary"] == "accept-encoding"
    assert answer.json()


def test_a_short_list_is_not_packed(source: CommandedSource, ports: Ports) -> None:
    """A list that fits into one packet is sent as it is."""
    source.shown = snapshot()
    answer = ask(ports.http, "/api/v1/pods", headers=[("Accept-Encoding", "gzip")])
    assert "Content-Encoding" not in answer.headers


async def test_a_list_is_packed_once() -> None:
    """Whoever asks for a list of one version is given the same bytes, also while they are being made."""
    lists = PackedLists()
    documents, others = (Documents(LARGE, 0.0, BY_NAME) for _ in range(2))
    asked = [lists.pack(documents, "list", b"x" * 100_000, "gzip") for _ in range(3)]
    (first, _), (second, _), (third, _) = await asyncio.gather(*asked)
    assert first is second is third
    again, _ = await lists.pack(documents, "list", b"x" * 100_000, "gzip")
    assert again is first
    for of, identity, coding in ((others, "list", "gzip"), (documents, "another", "gzip"), (documents, "list", "zstd")):
        other, _ = await lists.pack(of, identity, b"x" * 100_000, coding)
        assert other is not first


async def test_who_goes_away_stops_nobody_else() -> None:
    """A list that is being packed for two is packed for the one who stays."""
    lists, documents = PackedLists(), Documents(LARGE, 0.0, BY_NAME)
    gone, stays = (asyncio.ensure_future(lists.pack(documents, "list", b"x" * 100_000, "gzip")) for _ in range(2))
    await asyncio.wait({gone}, timeout=0)
    gone.cancel()
    body, _ = await stays
    assert gzip.decompress(body) == b"x" * 100_000


async def test_packing_that_fails_is_tried_again() -> None:
    """One who met an error leaves nothing of it to the next."""
    lists, documents = PackedLists(), Documents(LARGE, 0.0, BY_NAME)
    no_bytes: Any = "x" * 100_000
    with pytest.raises(TypeError):
        await lists.pack(documents, "list", no_bytes, "gzip")
    body, _ = await lists.pack(documents, "list", b"x" * 100_000, "gzip")
    assert gzip.decompress(body) == b"x" * 100_000
