"""/api/v1 over HTTP: from a path and its parameters to a question, and from its answer to what is sent."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from urllib.parse import parse_qsl, unquote

from aggregator.coding import IDENTITY
from aggregator.errors import BadRequestError, NotFoundError, NoTopologyError, WrongMethodError
from aggregator.grants import Grant
from aggregator.lookup import wire
from aggregator.lookup.nearest import nearest
from aggregator.lookup.plan import Asked as Said
from aggregator.lookup.plan import Resource
from aggregator.server.asgi import Receive, Scope, Send
from aggregator.server.http_document import (
    BAD_WAIT,
    Asked,
    DocumentServer,
    Ready,
    Wishes,
    is_known_part,
    wait_seconds,
    wishes,
)
from aggregator.server.lookups import Found, Lookups, Question
from aggregator.server.packed_lists import PackedLists
from aggregator.server.problems import API, QUALITY
from aggregator.server.shown import Snapshots
from aggregator.views import v1

METHODS = ("GET", "HEAD")
# How long to wait for a change.
WAIT = "wait"
# A path by its segments, of which those in braces stand for names.
PATHS: Mapping[str, Resource] = {
    "topology": Resource.TOPOLOGY,
    "clusters": Resource.CLUSTERS,
    "clusters/{cluster}": Resource.CLUSTER,
    "clusters/{cluster}/nodes": Resource.NODES,
    "clusters/{cluster}/nodes/{node}": Resource.NODE,
    "clusters/{cluster}/pods": Resource.PODS,
    "clusters/{cluster}/pods/{namespace}/{pod}": Resource.POD,
    "nodes": Resource.NODES,
    "pods": Resource.PODS,
    "containers": Resource.CONTAINERS,
}
_ROUTES = [(tuple(f"{API}/{path}".split("/")), resource) for path, resource in PATHS.items()]
_MOST_PARAMETERS = 20


class Api:
    """Answers what is asked under /api/v1."""

    def __init__(self, snapshots: Snapshots, documents: DocumentServer) -> None:
        self._snapshots = snapshots
        self._lookups = Lookups(snapshots, wire.JSON)
        self._documents = documents
        self._packed = PackedLists()

    async def serve(self, grant: Grant, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; raise a RequestError for one that cannot be answered."""
        request = b"%s?%s" % (scope["raw_path"], scope["query_string"])
        wished = wishes(scope["method"], scope["headers"])
        if scope["method"] in METHODS and not (wished.fresh or wished.known):
            before = self._answered_before(grant, request)
            if before is not None:
                await self._send(before, wished, send)
                return
        resource, names = route(scope["raw_path"])
        if scope["method"] not in METHODS:
            raise WrongMethodError(f"{scope['method'][:20]} is no way to ask for it", allowed=METHODS)
        given = parameters(scope["query_string"])
        wait = given.get(WAIT) or "0"
        seconds = wait_seconds(wait)
        if seconds is None:
            raise BadRequestError(BAD_WAIT, parameter=WAIT)
        if resource is Resource.TOPOLOGY and given.keys() <= {WAIT}:
            await self._documents.serve(Asked(grant, v1.JSON, wait), scope, receive, send)
            return
        if wished.fresh:
            await self._snapshots.fresh()

        async def find() -> Found:
            known = self._lookups.known(grant, request)
            return known or await self._lookups.find(grant, request, Question(resource, names, said(resource, given)))

        found = await find()
        if seconds and is_known_part(wished.known, found.snapshot, found.answer.identity):
            version = found.snapshot.topology.version
            if await self._documents.news(grant, seconds, receive, lambda each: each.topology.version == version):
                found = await find()
        await self._send(found, wished, send)

    async def _send(self, found: Found, wished: Wishes, send: Send) -> None:
        """Send an answer, packed if it is a list that others ask for as well."""
        identity, body, coding = found.answer.identity, found.answer.body, IDENTITY
        if found.answer.is_whole_list:
            body, coding = await self._packed.pack(found.snapshot.documents, identity, body, wished.coding)
        await self._documents.serve_ready(found.snapshot, Ready(identity, body, coding), wished.known, send)

    def _answered_before(self, grant: Grant, request: bytes) -> Found | None:
        """Return what was answered to the same request before, which therefore is one that can be answered."""
        try:
            return self._lookups.known(grant, request)
        except NoTopologyError:
            # What is wrong with the request itself is told first.
            return None


@lru_cache(maxsize=256)
def route(raw_path: bytes) -> tuple[Resource, tuple[str, ...]]:
    """Return what is at a path, and the names in it, which may hold any character; raise NotFoundError for nothing."""
    try:
        segments = [unquote(segment, errors="strict") for segment in raw_path.decode("utf-8").split("/")]
    except UnicodeDecodeError:
        raise BadRequestError("path: it is no UTF-8") from None
    for template, resource in _ROUTES:
        names = _names(template, segments)
        if names is not None:
            return resource, names
    known = [*(f"{API}/{path}" for path in PATHS), QUALITY]
    path = "/".join(segments)
    hint = "; a slash within a name is written %2F" if path.startswith(f"{API}/clusters/") else ""
    raise NotFoundError(f"nothing is at {path[:120]}{hint}", allowed=known, nearest=nearest(path, known))


def _names(template: Sequence[str], segments: Sequence[str]) -> tuple[str, ...] | None:
    """Return the names in a path that is like a template, None for one that is not."""
    if len(template) != len(segments):
        return None
    pairs = list(zip(template, segments, strict=True))
    if any(expected != segment for expected, segment in pairs if not expected.startswith("{")):
        return None
    return tuple(segment for expected, segment in pairs if expected.startswith("{"))


def said(resource: Resource, given: Mapping[str, str]) -> Said:
    """Return what the parameters of a request say; raise BadRequestError for one that there is not."""
    allowed = (*resource.parameters, WAIT)
    for name in given:
        if name not in allowed:
            raise BadRequestError(
                f"there is no parameter {name[:80]!r} here",
                parameter=name,
                allowed=allowed,
                nearest=nearest(name, allowed),
            )
    return Said(
        filter=given.get("filter", ""),
        labels=given.get("labels", ""),
        fields=tuple(given["fields"].split(",")) if given.get("fields") else (),
        depth=_whole("depth", given),
        limit=_whole("limit", given),
        continue_token=given.get("continue", ""),
    )


@lru_cache(maxsize=256)
def parameters(query: bytes) -> Mapping[str, str]:
    """Return the parameters of a request; raise BadRequestError for one that is there twice."""
    try:
        pairs = parse_qsl(query.decode(), keep_blank_values=True, errors="strict", max_num_fields=_MOST_PARAMETERS)
    except UnicodeDecodeError:
        raise BadRequestError("parameters: they are no UTF-8") from None
    except ValueError:
        raise BadRequestError(f"parameters: there are more than {_MOST_PARAMETERS}") from None
    given = dict(pairs)
    if len(given) < len(pairs):
        twice = next(name for name in given if [each for each, _ in pairs].count(name) > 1)
        raise BadRequestError(f"{twice[:80]}: it is there more than once", parameter=twice)
    return given


def _whole(name: str, given: Mapping[str, str]) -> int | None:
    text = given.get(name)
    if text is None:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) <= 10):
        raise BadRequestError(f"{name}: {text[:80]!r} is no whole number", parameter=name)
    return int(text)
