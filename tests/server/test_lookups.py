"""What looking up keeps: answers, and the topologies that clients page through; and who sees which of them."""

import asyncio
from collections.abc import Callable
from dataclasses import replace

import pytest
from structlog.testing import capture_logs

from aggregator.errors import NotFoundError, RequestError, VersionGoneError
from aggregator.grants import EVERYTHING, Grant
from aggregator.lookup.index import Index
from aggregator.lookup.plan import Asked, Resource
from aggregator.lookup.tokens import Token
from aggregator.lookup.wire import JSON
from aggregator.models.topology import Cluster, Node, Topology
from aggregator.models.version import versioned
from aggregator.server.lookups import Lookups, Question
from aggregator.server.paging import KEPT_SECONDS, Paged
from tests.server.source import CommandedSource, snapshot

# Longer than anything here takes on a busy machine.
DEADLINE_SECONDS = 20.0
MINE = Grant(frozenset({"mine"}))
NODES = Question(Resource.NODES, (), Asked(limit=1))


def topology(number: int) -> Topology:
    """Return a topology of two owners; the number makes its version."""
    nodes = [Node(cluster=name, key=key, cpu_cores=number) for name in ("mine", "theirs") for key in ("a", "b")]
    return versioned(
        Topology(
            clusters={name: Cluster(key=name, uid=f"uid {name}", name=name) for name in ("mine", "theirs")},
            nodes={(node.cluster, node.key): node for node in nodes},
        )
    )


def next_page(body: bytes) -> Question:
    """Return the question for the page after one."""
    token = body.rpartition(b'"continueToken":"')[2].partition(b'"')[0].decode()
    return Question(Resource.NODES, (), Asked(limit=1, continue_token=token))


async def test_what_was_answered_is_remembered() -> None:
    """The same request about the same topology is answered with the same bytes, without looking again."""
    source = CommandedSource(shown=snapshot(topology=topology(1)))
    lookups = Lookups(source, JSON)
    question = Question(Resource.NODE, ("mine", "a"), Asked())
    assert lookups.known(EVERYTHING, b"x") is None
    found = await lookups.find(EVERYTHING, b"x", question)
    known = lookups.known(EVERYTHING, b"x")
    assert known is not None
    assert known.answer is found.answer
    source.shown = snapshot(topology=topology(2))
    assert lookups.known(EVERYTHING, b"x") is None


async def test_no_more_is_remembered_than_fits() -> None:
    """Answers are remembered up to a number of bytes; the oldest give way."""
    lookups = Lookups(CommandedSource(shown=snapshot(topology=topology(1))), JSON, remembered_bytes=1000)
    question = Question(Resource.NODE, ("mine", "a"), Asked())
    for request in (b"1", b"2", b"3"):
        await lookups.find(EVERYTHING, request, question)
    assert [lookups.known(EVERYTHING, request) is not None for request in (b"1", b"2", b"3")] == [False, True, True]


async def test_a_caller_sees_its_part_only() -> None:
    """What a caller may not see is as if it were not there: the same text, and no name of it among the nearest."""
    lookups = Lookups(CommandedSource(shown=snapshot(topology=topology(1))), JSON)
    with pytest.raises(NotFoundError) as hidden:
        await lookups.find(MINE, b"1", Question(Resource.CLUSTER, ("theirs",), Asked()))
    with pytest.raises(NotFoundError) as missing:
        await lookups.find(MINE, b"2", Question(Resource.CLUSTER, ("theirx",), Asked()))
    assert str(hidden.value).replace("theirs", "theirx") == str(missing.value)
    assert b"theirs" not in (await lookups.find(MINE, b"3", Question(Resource.NODES, (), Asked()))).answer.body


async def test_what_one_caller_was_answered_another_is_not() -> None:
    """The same request of a caller who may see less is answered anew."""
    lookups = Lookups(CommandedSource(shown=snapshot(topology=topology(1))), JSON)
    question = Question(Resource.NODE, ("theirs", "a"), Asked())
    await lookups.find(EVERYTHING, b"x", question)
    assert lookups.known(MINE, b"x") is None
    with pytest.raises(NotFoundError):
        await lookups.find(MINE, b"x", question)


async def test_a_token_opens_nothing_for_another() -> None:
    """A token of who may see everything does not lead another to a topology of everything."""
    source = CommandedSource(shown=snapshot(topology=topology(1)))
    lookups = Lookups(source, JSON)
    first = await lookups.find(EVERYTHING, b"x", NODES)
    for shown in (topology(1), topology(2)):
        source.shown = snapshot(topology=shown)
        with pytest.raises(VersionGoneError):
            await lookups.find(MINE, b"x", next_page(first.answer.body))
    assert (await lookups.find(EVERYTHING, b"x", next_page(first.answer.body))).snapshot.topology == topology(1)


async def test_only_what_is_paged_through_is_kept() -> None:
    """A topology that nobody has a token of is gone when it is replaced."""
    source = CommandedSource(shown=snapshot(topology=topology(1)))
    lookups = Lookups(source, JSON)
    found = await lookups.find(EVERYTHING, b"x", Question(Resource.NODES, (), Asked()))
    identity = found.answer.identity.partition("-")[0]
    source.shown = snapshot(topology=topology(2))
    token = str(Token(topology(1).version, identity, 4, 1))
    with pytest.raises(RequestError) as gone:
        await lookups.find(EVERYTHING, b"x", Question(Resource.NODES, (), Asked(continue_token=token)))
    assert isinstance(gone.value, VersionGoneError)


async def test_many_ask_at_once() -> None:
    """Requests that come at the same time are each answered."""
    lookups = Lookups(CommandedSource(shown=snapshot(topology=topology(1))), JSON)
    asked = [Question(Resource.NODE, ("mine", "a"), Asked()) for _ in range(20)]
    found = await asyncio.gather(*(lookups.find(EVERYTHING, b"x", question) for question in asked))
    assert len({each.answer.body for each in found}) == 1


class Clock:
    """A clock that a test turns."""

    seconds = 0.0

    def __call__(self) -> float:
        """Return the time."""
        return self.seconds


def kept(paged: Paged, number: int) -> bool:
    """Return whether a topology is kept."""
    return paged.find(EVERYTHING, topology(number).version) is not None


def keep(paged: Paged, number: int) -> None:
    """Keep a topology."""
    paged.keep(EVERYTHING, snapshot(topology=topology(number)), Index(topology(number)))


def test_a_topology_is_kept_from_page_to_page() -> None:
    """It is let go of when no page was asked for in a while."""
    clock = Clock()
    paged = Paged(clock=clock)
    keep(paged, 1)
    clock.seconds = KEPT_SECONDS - 1
    assert kept(paged, 1)
    keep(paged, 1)
    clock.seconds = 2 * KEPT_SECONDS - 2
    assert kept(paged, 1)
    clock.seconds = 2 * KEPT_SECONDS
    assert not kept(paged, 1)
    assert not paged.keeps_any


def test_of_large_topologies_the_oldest_go_first() -> None:
    """The last one stays, however large; of the others there are only as many as are small together."""
    paged = Paged(most_objects=13)
    for number in (1, 2, 3, 4):
        keep(paged, number)
    assert [kept(paged, number) for number in (1, 2, 3, 4)] == [False, True, True, True]
    paged = Paged(most_objects=0)
    keep(paged, 1)
    assert kept(paged, 1)


async def test_nodes_are_written_ahead() -> None:
    """Where most nodes of a topology were asked for, those of the next one are written before anybody asks."""
    source = CommandedSource(shown=snapshot(topology=topology(1)))
    written = list[Node]()

    def node(each: Node) -> bytes:
        written.append(each)
        return JSON.node(each)

    lookups = Lookups(source, replace(JSON, node=node))
    await lookups.find(EVERYTHING, b"x", Question(Resource.NODES, (), Asked()))
    await until(lambda: bool(source.waiting))
    (ahead,) = (task for task in asyncio.all_tasks() if task.get_name() == "ahead")
    source.show(snapshot(topology=topology(2)))
    await asyncio.wait_for(ahead, DEADLINE_SECONDS)
    assert written == [*topology(1).nodes.values(), *topology(2).nodes.values()]
    assert not source.waiting
    await lookups.find(EVERYTHING, b"x", Question(Resource.NODES, (), Asked()))
    assert len(written) == 2 * len(topology(1).nodes)


async def test_nothing_is_written_for_nobody() -> None:
    """Where a single node was asked for, nobody waits for the next topology to write all of them."""
    source = CommandedSource(shown=snapshot(topology=topology(1)))
    await Lookups(source, JSON).find(EVERYTHING, b"x", Question(Resource.NODE, ("mine", "a"), Asked()))
    async with asyncio.timeout(DEADLINE_SECONDS):
        await asyncio.to_thread(int)
    assert not source.waiting


async def test_writing_ahead_ends_with_the_lists() -> None:
    """Where nodes that were written ahead are looked up one by one, those of the next topology are not."""
    source = CommandedSource(shown=snapshot(topology=topology(1)))
    lookups = Lookups(source, JSON)
    await lookups.find(EVERYTHING, b"x", Question(Resource.NODES, (), Asked()))
    await until(lambda: bool(source.waiting))
    source.show(snapshot(topology=topology(2)))
    await until(lambda: not source.waiting)
    await lookups.find(EVERYTHING, b"y", Question(Resource.NODE, ("mine", "a"), Asked()))
    await asyncio.to_thread(int)
    assert not source.waiting


async def test_what_breaks_ahead_is_logged() -> None:
    """Writing ahead that breaks costs nobody but the log a line."""
    source = CommandedSource(shown=snapshot(topology=topology(1)))
    second = topology(2)
    later = set(map(id, second.nodes.values()))

    def node(each: Node) -> bytes:
        if id(each) in later:
            raise MemoryError
        return JSON.node(each)

    with capture_logs() as told:
        await Lookups(source, replace(JSON, node=node)).find(EVERYTHING, b"x", Question(Resource.NODES, (), Asked()))
        await until(lambda: bool(source.waiting))
        source.show(snapshot(topology=second))
        await until(lambda: bool(told))
    assert [line["event"] for line in told] == ["writing ahead broke"]


async def until(condition: Callable[[], bool]) -> None:
    """Let others have their turn until a condition holds."""
    async with asyncio.timeout(DEADLINE_SECONDS):
        while not condition():
            await asyncio.to_thread(int)
