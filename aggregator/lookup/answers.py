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

Write = Callable[[Any], bytes]

GONE = "continue token: the topology that it is of is gone; ask for the first page again"
_IDENTITY_BYTES = 8


class Answer(NamedTuple):
    """What is sent, what identifies it beside the version of the topology, and whether a token in it leads on."""

    body: bytes
    identity: str
    leads_on: bool = False


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
        return Answer(write(index.one(kind, names)), known)
    version = index.topology.version
    if plan.token is not None:
        _check(plan.token, version, known)
    part = part_of(index.items(kind, *names), plan)
    token = "" if part.next is None else str(Token(version, known, part.total, part.next))
    body = wire.page(Page(kind, [write(item) for item in part.items], version, part.total, token))
    start = plan.token.position if plan.token is not None else 0
    return Answer(body, f"{known}-{start}-{plan.limit or 0}", leads_on=bool(token))


def part_of(items: Sequence[Any], plan: Plan) -> Part:
    """Return the part of a list that is asked for.

    Only the first page counts the whole list; the token that leads to the others tells how many it has.
    """
    test, token = plan.test, plan.token
    if plan.limit is None and token is None:
        found = items if test is None else [item for item in items if test(item)]
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


def _writer(kind: Kind, index: Index, plan: Plan, wire: Wire) -> Write:
    """Return what writes the objects of a kind."""
    make, encode = plan.format(wire), wire.encode
    if kind is Kind.PODS:
        return lambda pod: encode(make.pod(pod))
    if kind is Kind.CLUSTERS:
        return lambda whole: encode(make.cluster(*whole))
    if kind is Kind.CONTAINERS:
        return lambda standing: encode(make.container(*standing))
    if plan.mask is not None:
        return lambda node: encode(make.node(node))
    return _remembering(index.written_nodes(wire.name), lambda node: encode(make.node(node)))


def _remembering(written: dict[tuple[str, str], bytes], write: Write) -> Callable[[Node], bytes]:
    """Return what writes each node once: there are few of them, and they are large and much asked for."""

    def remembered(node: Node) -> bytes:
        name = (node.cluster, node.key)
        if name not in written:
            written[name] = write(node)
        return written[name]

    return remembered
