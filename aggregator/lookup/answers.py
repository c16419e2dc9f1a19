"""Answers: one object, or a page of a list, written."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any, NamedTuple

from aggregator.errors import BadRequestError, VersionGoneError
from aggregator.lookup import tokens
from aggregator.lookup.index import Index
from aggregator.lookup.items import Kind
from aggregator.lookup.plan import Plan
from aggregator.lookup.tokens import Token
from aggregator.lookup.wire import Page, Wire
from aggregator.models.topology import Node

Write = Callable[[Sequence[Any]], Sequence[bytes]]

GONE = "continue token: the topology that it is of is gone; ask for the first page again"
_IDENTITY_BYTES = 8


class Answer(NamedTuple):
    """What is sent, what identifies it beside the version of the topology, and whether a token in it leads on.

    A whole list is one of which nothing was chosen.
    """

    body: bytes
    identity: str
    leads_on: bool = False
    is_whole_list: bool = False


class Part(NamedTuple):
    """A part of a list: its objects, how many the whole list has, and where the next is, None where there is none."""

    items: Sequence[Any]
    total: int
    next: int | None


def answer(index: Index, plan: Plan, names: Sequence[str], wire: Wire) -> Answer:
    """Return what is asked for; raise NotFoundError where a name of it is not there.

    `names` are those of the cluster and of what is in it; a list that is of no cluster in particular has none.
    Raises VersionGoneError where a token is of another topology, and BadRequestError where it is of another list.
    """
    known = identity(plan, names)
    kind = plan.resource.kind
    if kind is None:
        return Answer(wire.encode(plan.format(wire).topology(index.topology)), known)
    write = _writer(kind, index, plan, wire)
    if plan.resource.is_one:
        (written,) = write([index.one(kind, names)])
        return Answer(written, known)
    version = index.topology.version
    if plan.token is not None:
        _check(plan.token, version, known)
    part = part_of(index.items(kind, *names), plan)
    token = "" if part.next is None else str(Token(version, known, part.total, part.next))
    body = wire.page(Page(kind, write(part.items), version, part.total, token))
    start = plan.token.position if plan.token is not None else 0
    return Answer(body, f"{known}-{start}-{plan.limit or 0}", leads_on=bool(token))


def part_of(items: Sequence[Any], plan: Plan) -> Part:
    """Return the part of a list that is asked for.

    Only the first page counts the whole list; the token that leads to the others tells how many it has.
    """
    test, token = plan.test, plan.token
    if plan.limit is None and token is None:
        found = items if test is None else list(filter(test, items))
        return Part(found, len(found), None)
    if token is not None:
        total, rest = token.total, _places(items, plan, token.position)
    else:
        places = list(_places(items, plan, 0))
        total, rest = len(places), iter(places)
    page = list(islice(rest, plan.limit))
    return Part([items[place] for place in page], total, next(rest, None))


def identity(plan: Plan, names: Sequence[str]) -> str:
    """Return what is the same for the same objects and fields of one topology, however they are asked for."""
    return hashlib.blake2b(repr((plan.identity, *names)).encode(), digest_size=_IDENTITY_BYTES).hexdigest()


def _places(items: Sequence[Any], plan: Plan, start: int) -> Iterator[int]:
    test, places = plan.test, iter(range(start, len(items)))
    return places if test is None else (place for place in places if test(items[place]))


def _check(token: Token, version: str, identity_of_list: str) -> None:
    if token.query != identity_of_list:
        raise BadRequestError("continue token: it is of another list", parameter=tokens.PARAMETER)
    if token.version != version:
        raise VersionGoneError(GONE, parameter=tokens.PARAMETER)


def write_nodes(index: Index, wire: Wire) -> None:
    """Write all nodes of a topology whole, as lists will want them."""
    _whole_nodes(index, wire)(index.items(Kind.NODES))


def _writer(kind: Kind, index: Index, plan: Plan, wire: Wire) -> Write:
    """Return what writes objects of a kind."""
    if kind is Kind.NODES and plan.mask is None:
        return _whole_nodes(index, wire)
    make, encode = plan.format(wire), wire.encode
    if kind is Kind.PODS:
        return lambda pods: [encode(make.pod(pod)) for pod in pods]
    if kind is Kind.CLUSTERS:
        return lambda clusters: [encode(make.cluster(*whole)) for whole in clusters]
    if kind is Kind.CONTAINERS:
        return lambda containers: [encode(make.container(*standing)) for standing in containers]
    return lambda nodes: [encode(make.node(node)) for node in nodes]


def _whole_nodes(index: Index, wire: Wire) -> Write:
    """Return what writes each node once: there are few of them, and they are large and much asked for."""
    written = index.written_nodes(wire.name)

    def write(node: Node) -> bytes:
        body = written[id(node)] = wire.node(node)
        return body

    return lambda nodes: [written.get(id(node)) or write(node) for node in nodes]
