"""What requests sends through: reads whole answers within bounds, and can break the connections that it made."""

import contextlib
import socket
import weakref
from typing import Any
from urllib.parse import urlsplit

import requests
import requests.adapters
import urllib3

from aggregator.errors import RefusedError, TooLargeError
from aggregator.logs import shown_path
from aggregator.querier.said import reason
from aggregator.secrets import Secrets

CHUNK_BYTES = 256 * 1024


class _BodyResponse(requests.Response):
    """A response whose JSON is left undecoded: what `custom_query` returns are the bytes, decoded typed later."""

    def json(self, **_options: Any) -> Any:
        return {"data": {"result": self.content}}


class BoundedAdapter(requests.adapters.HTTPAdapter):
    """Reads whole answers under a byte cap, turns refusals into our errors, and can break its connections."""

    def __init__(self, answer_bytes: int, connections: int, secrets: Secrets) -> None:
        self._answer_bytes = answer_bytes
        self._secrets = secrets
        self._open: weakref.WeakSet[Any] = weakref.WeakSet()
        # How often everything was broken off: who began before the last time is not to go on.
        self.breaks = 0
        super().__init__(pool_connections=1, pool_maxsize=connections, max_retries=0)

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        """Make pools that remember their connections."""
        super().init_poolmanager(*args, **options)
        self.poolmanager.pool_classes_by_scheme = {
            "http": _remembering(urllib3.HTTPConnectionPool, self),
            "https": _remembering(urllib3.HTTPSConnectionPool, self),
        }

    def build_response(self, request: requests.PreparedRequest, raw: urllib3.BaseHTTPResponse) -> requests.Response:
        """Read the whole body; raise RefusedError for a status that is not 200, TooLargeError for too many bytes."""
        plain = super().build_response(request, raw)
        body = self._read(raw)
        if plain.is_redirect:
            plain._content = body  # noqa: SLF001 - see below
            return plain
        if plain.status_code != 200:
            why = reason(body, plain.reason, self._secrets)
            if plain.status_code == 404:
                # Of all refusals this one is mostly due to the address, or to where a redirect led.
                path = shown_path(self._secrets.hide(urlsplit(request.url or "").path))
                why += f" at {path}; is the path of the address right?"
            elif _is_plain_to_tls(plain.status_code, body):
                why = "it speaks only TLS there: the address has to begin with https://"
            raise RefusedError(plain.status_code, why, _retry_after(plain))
        response = _BodyResponse()
        response.__dict__.update(plain.__dict__)
        response._content = body  # noqa: SLF001 - requests offers no other way to hand over a body
        return response

    def abort(self) -> None:
        """Break every connection that is open, whoever waits on it, and those that are just being made."""
        self.breaks += 1
        for connection in list(self._open):
            if connection.sock is not None:
                with contextlib.suppress(OSError):
                    connection.sock.shutdown(socket.SHUT_RDWR)

    def forget(self) -> None:
        """Let go of the connections that nobody uses at the moment; the others are closed once they are not used."""
        self.poolmanager.clear()

    def opening(self, connection: Any) -> None:
        """Remember a connection that is about to be made."""
        self._open.add(connection)

    def _read(self, raw: urllib3.BaseHTTPResponse) -> bytes:
        chunks: list[bytes] = []
        size = 0
        while chunk := raw.read1(CHUNK_BYTES, decode_content=True):
            size += len(chunk)
            if size > self._answer_bytes:
                raw.close()
                # Whoever keeps the error for a while must not keep these with it.
                chunks.clear()
                raise TooLargeError(f"the answer is larger than {self._answer_bytes} bytes")
            chunks.append(chunk)
        raw.release_conn()
        return b"".join(chunks)


def _remembering(pool: type[Any], adapter: BoundedAdapter) -> type[Any]:
    """Return a connection pool class that tells the adapter of each connection it makes."""
    base = pool.ConnectionCls

    class Connection(base):  # type: ignore[misc,valid-type] # a base known at run time only
        def connect(self) -> None:
            breaks = adapter.breaks
            adapter.opening(self)
            super().connect()
            # While there was no socket yet, there was none to break.
            if adapter.breaks != breaks:
                raise ConnectionAbortedError("broken off")

    return type(pool.__name__, (pool,), {"ConnectionCls": Connection})


def _is_plain_to_tls(status: int, body: bytes) -> bool:
    """Return whether this is how Go's servers and nginx answer to plain HTTP on a port of TLS."""
    return status == 400 and (b"HTTP request to an HTTPS server" in body or b"sent to HTTPS port" in body)


def _retry_after(response: requests.Response) -> float | None:
    """Return the seconds of a Retry-After header; a date there is not honoured, Prometheus sends none."""
    value = response.headers.get("Retry-After", "")
    return float(value) if value.isascii() and value.isdigit() else None
