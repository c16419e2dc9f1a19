"""What is shown, read: from a gateway that runs, or by one refresh of our own."""

import time
from dataclasses import dataclass

import msgspec
import requests

from aggregator.errors import AggregatorError
from aggregator.models.topology import Topology
from aggregator.querier.access import TOKEN, Nobody
from aggregator.querier.said import beginning
from aggregator.querier.translation import FOREIGN, translated
from aggregator.secrets import Secrets
from aggregator.settings import Settings
from aggregator.show.document import NoDocumentError, topology_of
from aggregator.show.missing import NoQualityError, missing_of
from aggregator.snapshot import Snapshot
from aggregator.sources import sources_of, taker_of
from aggregator.take import Views
from aggregator.views import v1

PATH = "/api/v1/topology"
QUALITY_PATH = "/api/v1/quality"
# For a connection and each piece of an answer; for all of it.
SECONDS = 30.0
WHOLE_SECONDS = 120.0
MOST_BYTES = 2**30
_PIECE_BYTES = 2**18
_SHOWN_CHARACTERS = 200


class NotReadError(AggregatorError):
    """There is nothing to show; the text says why."""


class _Problem(msgspec.Struct):
    detail: str


@dataclass(frozen=True)
class Read:
    """A topology, its v1 document, and what is known to be missing from it."""

    topology: Topology
    document: bytes
    missing: tuple[str, ...]


def refreshed(settings: Settings, secrets: Secrets) -> Read:
    """Take one refresh with the settings; raise RefreshFailedError or RecordingError where there is none."""
    taker = taker_of(settings, sources_of(settings, secrets), Views({v1.JSON: v1.render_json}, ()))
    try:
        snapshot, _failures = taker.take(time.time(), time.monotonic())
    finally:
        taker.close()
    return Read(snapshot.topology, snapshot.body(v1.JSON), _missing(snapshot))


def _missing(snapshot: Snapshot) -> tuple[str, ...]:
    return tuple(str(gap) for gap in snapshot.gaps if gap.kind.is_missing_data)


def asked(url: str, token: str) -> Read:
    """Ask a gateway that runs; raise NotReadError where it does not answer with a topology."""
    if token and not TOKEN.fullmatch(token):
        raise NotReadError("TOKEN is no token: one word of ASCII characters")
    document, is_complete = _got(url, PATH, token)
    try:
        topology = topology_of(document)
    except NoDocumentError as error:
        raise NotReadError(f"what it answers is not ours: {error}") from None
    return Read(topology, document, () if is_complete else _missing_there(url, token))


def _missing_there(url: str, token: str) -> tuple[str, ...]:
    """Return what a gateway says is missing; where it does not say, that its log does.

    It tells only who may see all of it. And what was missing a moment ago may be there by now.
    """
    try:
        told = missing_of(_got(url, QUALITY_PATH, token)[0])
    except (NotReadError, NoQualityError):
        told = ()
    return told or ("the gateway says so; its log tells what",)


def _got(url: str, path: str, token: str) -> tuple[bytes, bool]:
    """Return what a gateway answers at a path, and whether it calls it complete."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    secrets = Secrets([token])
    try:
        with requests.get(
            url.rstrip("/") + path,
            headers=headers,
            auth=Nobody(),
            timeout=SECONDS,
            allow_redirects=False,
            stream=True,
        ) as answer:
            document = _body(answer)
            _check(answer, document, secrets)
    except FOREIGN as error:
        raise NotReadError(str(translated(error, secrets))) from None
    return document, answer.headers.get("X-Topology-Complete") != "false"


def _body(answer: requests.Response) -> bytes:
    parts: list[bytes] = []
    size = 0
    end = time.monotonic() + WHOLE_SECONDS
    while part := answer.raw.read1(_PIECE_BYTES, decode_content=True):
        size += len(part)
        if time.monotonic() > end:
            raise NotReadError(f"its answer is not over after {WHOLE_SECONDS:g} seconds")
        if size > MOST_BYTES:
            raise NotReadError(f"its answer is larger than {MOST_BYTES} bytes")
        parts.append(part)
    return b"".join(parts)


def _check(answer: requests.Response, body: bytes, secrets: Secrets) -> None:
    status = answer.status_code
    if status == 401:
        raise NotReadError("it wants a valid token: set TOKEN")
    if status == 403:
        raise NotReadError("it does not show anything to the holder of this token")
    if status != 200:
        said = beginning(_detail(body), secrets, _SHOWN_CHARACTERS).strip()
        raise NotReadError(f"HTTP {status}" + (f": {said}" if said else ""))


def _detail(body: bytes) -> bytes:
    """Return what a problem document says to persons, and of anything else all."""
    try:
        return msgspec.json.decode(body, type=_Problem).detail.encode()
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return body
