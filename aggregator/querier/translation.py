"""From the errors of requests, urllib3 and the socket to ours: the border that no foreign error crosses."""

import http.client
import socket
import ssl

import requests
import urllib3.exceptions

from aggregator.errors import NotListeningError, QueryError, TooSlowError, UnreachableError
from aggregator.querier.said import short
from aggregator.secrets import Secrets

# What an exchange with an upstream may raise that is not ours.
FOREIGN = (requests.RequestException, urllib3.exceptions.HTTPError, OSError)

_SLOW = (TimeoutError, requests.Timeout, urllib3.exceptions.TimeoutError)

_TLS_WORDS = (
    (
        ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "HTTP_REQUEST", "PACKET_LENGTH_TOO_LONG"),
        "it does not speak TLS there: the address has to begin with http://, or to have another port",
    ),
    (
        ("CERTIFICATE_REQUIRED", "HANDSHAKE_FAILURE", "ALERT_BAD_CERTIFICATE", "ALERT_UNKNOWN_CA"),
        "it refuses the handshake: it wants a client certificate, or another one (PROMETHEUS_CLIENT_CERT_FILE)",
    ),
)
# How an answer begins that is an alert of TLS, read as HTTP.
_TLS_ALERT = "\x15\x03"


def translated(error: Exception, secrets: Secrets) -> QueryError:
    """Return our error for one of requests', urllib3's or the socket's.

    The text names the kind of failure and its root cause, never the URL: it may hold credentials. The cause may quote
    what came instead of an answer.
    """
    chain = list(_causes(error))
    root = chain[-1]
    if isinstance(
        error, requests.TooManyRedirects | requests.exceptions.InvalidSchema | requests.exceptions.InvalidURL
    ):
        return UnreachableError("it redirects, and not to a place where a Prometheus answers")
    if isinstance(root, ConnectionRefusedError):
        return NotListeningError("connection refused")
    if words := _about_tls(root, secrets):
        return UnreachableError(words)
    if isinstance(root, socket.gaierror):
        return UnreachableError(f"the host name cannot be resolved ({root.strerror})")
    # urllib3 counts every failed connection among its time-outs: what stands at the root tells them apart.
    if isinstance(root, _SLOW) and not isinstance(root, urllib3.exceptions.NewConnectionError):
        return TooSlowError("no answer within the time for one query")
    return UnreachableError(f"the connection broke or never stood ({type(root).__name__}: {short(str(root), secrets)})")


def _about_tls(root: BaseException, secrets: Secrets) -> str:
    """Return what a failure that has to do with TLS means here, "" for others and those that say it themselves."""
    if isinstance(root, ssl.SSLCertVerificationError):
        return f"its certificate is not accepted: {short(root.verify_message, secrets)}"
    if isinstance(root, http.client.BadStatusLine) and str(root).startswith(_TLS_ALERT):
        return "it speaks only TLS there: the address has to begin with https://"
    reason = (root.reason or "") if isinstance(root, ssl.SSLError) else ""
    return next((words for names, words in _TLS_WORDS if any(name in reason for name in names)), "")


def _causes(error: BaseException) -> list[BaseException]:
    """Return the error and all it was raised from, and what urllib3 and requests hide in `reason` and `args`."""
    chain: list[BaseException] = []
    current: BaseException | None = error
    while current is not None and current not in chain:
        chain.append(current)
        hidden = getattr(current, "reason", None)
        if not isinstance(hidden, BaseException):
            hidden = next((arg for arg in current.args if isinstance(arg, BaseException)), None)
        current = hidden or current.__cause__ or current.__context__
    return chain
