"""What stands at the address of an upstream: whether it answers, what it is, and what time it is there."""

import contextlib
import re
import socket
import time
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import msgspec

from aggregator.doctor import advice
from aggregator.doctor.report import Finding, Seen
from aggregator.errors import (
    MalformedError,
    NotListeningError,
    QueryError,
    RefusedError,
    TooSlowError,
)
from aggregator.querier.access import STANDARD_PORTS
from aggregator.querier.client import Address, Client
from aggregator.querier.decode import decoder
from aggregator.querier.said import NOT_JSON, short
from aggregator.querier.thanos import STORES_PATH, lists_stores

QUERY_PATH = "/api/v1/query"
BUILD_PATH = "/api/v1/status/buildinfo"
# Clocks that differ by more make samples look old, or be from the future.
CLOCK_SECONDS = 5.0
# Where a Prometheus, or what speaks like one, often stands behind a host name.
USUAL_PREFIXES = ("", "/prometheus", "/prom", "/thanos", "/api/prom", "/select/0/prometheus")
# VictoriaMetrics says so in no answer; only it sends this header.
VICTORIA_HEADER = "X-Server-Hostname"
# Of what it calls itself.
MOST_CHARACTERS = 100

# Seconds, as Prometheus writes them.
_NUMBER = re.compile(r"[0-9]{1,20}(\.[0-9]+)?(e\+[0-9]{1,2})?")

# Makes the client of an address.
Connect = Callable[[Address], Client]


class _Build(msgspec.Struct):
    version: str = ""
    application: str = ""


class _BuildAnswer(msgspec.Struct):
    data: _Build


def look(address: Address, connect: Connect) -> tuple[Seen, list[Finding]]:
    """Return what stands at an address, and what is wrong with it."""
    with contextlib.closing(connect(address)) as client:
        start = time.monotonic()
        try:
            ahead = clock_ahead(client)
        except QueryError as error:
            return Seen(address.name, address.url), [_unreached(error, address, connect)]
        answered = time.monotonic() - start
        kind, version = identity(client)
    seen = Seen(address.name, address.url, kind, version, round(ahead, 3), round(answered, 3))
    # Half of the way there and back is not known.
    is_apart = abs(ahead) - answered / 2 > CLOCK_SECONDS
    return seen, [advice.clocks_apart(seen)] if is_apart else []


def clock_ahead(client: Client) -> float:
    """Return by how many seconds an upstream's clock is ahead of ours; raise a QueryError if it answers no query."""
    before = time.time()
    page = client.look(QUERY_PATH, {"query": "vector(time())"})
    after = time.time()
    samples = decoder(())(page.body, secrets=client.secrets).samples
    told = [sample.value.text for sample in samples]
    # Whatever else may stand there is not repeated.
    if len(told) != 1 or not _NUMBER.fullmatch(told[0]):
        raise MalformedError("it does not tell the time")
    return float(told[0]) - (before + after) / 2


def identity(client: Client) -> tuple[str, str]:
    """Return what an upstream that answers queries is, and its version where it tells."""
    build, is_victoria = _Build(), False
    with contextlib.suppress(QueryError, *NOT_JSON):
        page = client.look(BUILD_PATH)
        is_victoria = VICTORIA_HEADER in page.headers
        build = msgspec.json.decode(page.body, type=_BuildAnswer).data
    if is_victoria:
        # The version that it tells there is that of the Prometheus that it is like.
        return "VictoriaMetrics", ""
    application, version = (short(text, client.secrets, MOST_CHARACTERS) for text in (build.application, build.version))
    with contextlib.suppress(QueryError):
        if lists_stores(client.look(STORES_PATH).body):
            return "Thanos", version
    if application:
        return application, version
    return ("Prometheus", version) if version else ("something that answers PromQL", "")


def _unreached(error: QueryError, address: Address, connect: Connect) -> Finding:
    """Return why an upstream answers no query."""
    known: dict[type[QueryError], Callable[[str, str], Finding]] = {
        NotListeningError: advice.nobody_listens,
        TooSlowError: advice.too_slow,
    }
    if isinstance(error, RefusedError) and error.status in (401, 407):
        return advice.needs_credentials(address.name, str(error))
    if isinstance(error, RefusedError) and error.status == 403:
        return advice.not_allowed(address.name, str(error))
    if isinstance(error, MalformedError) or (isinstance(error, RefusedError) and error.status in (404, 405)):
        return advice.wrong_path(address, str(error), next(_others(address, connect), ""))
    if isinstance(error, RefusedError):
        return advice.refuses(address.name, str(error))
    if not _is_resolved(address.url):
        return advice.no_such_host(address.name, urlsplit(address.url).hostname or "")
    return known.get(type(error), advice.unreachable)(address.name, str(error))


def _others(address: Address, connect: Connect) -> Iterator[str]:
    """Yield URLs of the same host at which queries are answered."""
    parts = urlsplit(address.url)
    segments = parts.path.rstrip("/").split("/")
    above = ("/".join(segments[:end]) for end in range(len(segments) - 1, 0, -1))
    for prefix in dict.fromkeys((*above, *USUAL_PREFIXES)):
        if prefix == parts.path.rstrip("/"):
            continue
        url = f"{parts.scheme}://{parts.netloc}{prefix}"
        other = Address(url, address.user, address.password, address.name, address.cluster)
        with contextlib.suppress(QueryError), contextlib.closing(connect(other)) as client:
            clock_ahead(client)
            yield url


def _is_resolved(url: str) -> bool:
    parts = urlsplit(url)
    try:
        socket.getaddrinfo(parts.hostname, parts.port or STANDARD_PORTS[parts.scheme])
    except OSError:
        return False
    return True
