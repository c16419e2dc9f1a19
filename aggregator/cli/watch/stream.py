"""The events of a watch at a gateway. A lost connection is replaced, and the stream continues where it ended."""

import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple
from urllib.parse import urlencode

import httpx2
import msgspec
from requests.utils import DEFAULT_CA_BUNDLE_PATH

from aggregator import __version__
from aggregator.cli.gateway import FetchError, build_authorization, explain_http_error, explain_status
from aggregator.observability.redaction import Redactor
from aggregator.util.http_client import map_http_error

WATCH_PATH = "/api/v1/watch"
# No event of a gateway has this name.
DISCONNECT_EVENT = "disconnect"
# A gateway sends something every 30 seconds at least.
READ_TIMEOUT_SECONDS = 90.0
CONNECT_TIMEOUT_SECONDS = 30.0
FIRST_PAUSE_SECONDS = 1.0
MAX_PAUSE_SECONDS = 30.0
# A part of a snapshot has a megabyte, unless one object alone is larger.
MAX_EVENT_BYTES = 64 * 2**20
MAX_ERROR_BYTES = 64 * 2**10
NOT_A_WATCH_MESSAGE = "the response is not a watch; is it a gateway?"

# No topology yet, or stopping; and as many watches as the gateway allows.
_TEMPORARY_STATUSES = frozenset({429, 502, 503, 504})


class ReceivedEvent(NamedTuple):
    """An event: its name, and its decoded data."""

    name: str
    data: Mapping[str, Any]


class LostConnectionError(Exception):
    """A connection ended, or a gateway refused one for now; the text says why."""


class WatchStream:
    """Receives the events of a watch, from as many connections as it needs.

    `environ` may name a bundle of CA certificates.
    """

    def __init__(
        self,
        url: str,
        token: str,
        parameters: Mapping[str, str],
        environ: Mapping[str, str],
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        given = {name: value for name, value in parameters.items() if value}
        self._url = url.rstrip("/") + WATCH_PATH + (f"?{urlencode(given)}" if given else "")
        self._token = token
        self._redactor = Redactor([token])
        self._ca_file = environ.get("REQUESTS_CA_BUNDLE") or environ.get("CURL_CA_BUNDLE") or DEFAULT_CA_BUNDLE_PATH
        self._sleep = sleep
        self._known_version = ""

    def iterate_events(self) -> Iterator[ReceivedEvent]:
        """Yield events without end. After a lost connection, the first one is `disconnect`, with the reason.

        Raises FetchError if the first connection fails, or if the gateway refuses a later one for good.
        """
        headers = {"User-Agent": f"aggregator/{__version__}", **build_authorization(self._token)}
        timeout = httpx2.Timeout(READ_TIMEOUT_SECONDS, connect=CONNECT_TIMEOUT_SECONDS)
        is_connected = False
        pause_seconds = FIRST_PAUSE_SECONDS
        with httpx2.Client(headers=headers, timeout=timeout, verify=self._build_ssl_context()) as client:
            while True:
                try:
                    for event in self._receive(client):
                        is_connected, pause_seconds = True, FIRST_PAUSE_SECONDS
                        yield event
                    reason = "the gateway ended the stream"
                except LostConnectionError as error:
                    reason = self._redactor.redact(str(error))
                if not is_connected:
                    raise FetchError(reason)
                yield ReceivedEvent(DISCONNECT_EVENT, {"reason": f"{reason}; connecting again in {pause_seconds:g} s"})
                self._sleep(pause_seconds)
                pause_seconds = min(2 * pause_seconds, MAX_PAUSE_SECONDS)

    def _build_ssl_context(self) -> ssl.SSLContext:
        try:
            return ssl.create_default_context(cafile=self._ca_file)
        except OSError as error:
            raise FetchError(f"cannot read the CA certificates in {self._ca_file}: {error.strerror}") from None

    def _receive(self, client: httpx2.Client) -> Iterator[ReceivedEvent]:
        """Yield the events of one connection."""
        headers = {"Accept": "text/event-stream"}
        if self._known_version:
            headers["Last-Event-ID"] = self._known_version
        try:
            with client.stream("GET", self._url, headers=headers) as response:
                self._check_status(response)
                for event in httpx2.EventSource(response, MAX_EVENT_BYTES):
                    self._known_version = event.id or self._known_version
                    yield ReceivedEvent(event.event, _decode_data(event.data))
        except httpx2.SSEError:
            raise FetchError(NOT_A_WATCH_MESSAGE) from None
        except httpx2.HTTPError as error:
            raise LostConnectionError(explain_http_error(map_http_error(error))) from None

    def _check_status(self, response: httpx2.Response) -> None:
        if response.status_code == 200:
            return
        body = next(response.iter_bytes(MAX_ERROR_BYTES), b"")
        reason = explain_status(response.status_code, body, self._token)
        if response.status_code in _TEMPORARY_STATUSES:
            raise LostConnectionError(reason)
        raise FetchError(reason)


def _decode_data(text: str) -> Mapping[str, Any]:
    try:
        return msgspec.json.decode(text, type=dict[str, Any])
    except msgspec.DecodeError:
        raise FetchError(NOT_A_WATCH_MESSAGE) from None
