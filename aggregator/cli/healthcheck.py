"""The health check of the container image, `python -m aggregator.cli.healthcheck`: exit code 0 while a server answers.

It runs every few seconds, so it must start fast: it reads only the settings of the listeners, by name, because
importing all settings takes half a second. The HTTP client adds about 0.1 s.
"""

import os
import socket
import ssl
import sys
from collections.abc import Mapping

from aggregator.cli.terminal import open_stderr
from aggregator.errors import HttpError
from aggregator.settings.ports import resolve_aggregator_port, resolve_http_port
from aggregator.util.http_client import HttpClient

HEALTH_CHECK_TIMEOUT_SECONDS = 4.0
MAX_RESPONSE_BYTES = 64 * 1024


class UnhealthyError(Exception):
    """The server answers, but not as a live gateway does."""


def check_health(environment: Mapping[str, str], timeout_seconds: float = HEALTH_CHECK_TIMEOUT_SECONDS) -> None:
    """Return if the server of these settings answers; raise OSError, HttpError, UnhealthyError or ValueError if not.

    With HTTP the check requests /healthz: liveness, not readiness, because a restart does not bring Prometheus back.
    With gRPC alone the server has to send the first frame of HTTP/2; the gRPC health service reports readiness.
    """
    settings = {name: value.strip() for name, value in environment.items()}
    http_setting, grpc_setting = settings.get("HTTP_PORT", ""), settings.get("GRPC_PORT", "")
    aggregator_setting = resolve_aggregator_port(settings.get("AGGREGATOR_PORT", ""), http_setting)
    port = resolve_http_port(_parse_port(http_setting), _parse_port(grpc_setting), _parse_port(aggregator_setting))
    server = "HTTP" if port is not None else "GRPC"
    # A server that listens on all addresses can be reached at the unspecified address.
    address = (settings.get(f"{server}_HOST") or "0.0.0.0", int(grpc_setting) if port is None else port)  # noqa: S104 - see above
    has_tls = bool(settings.get(f"{server}_TLS_CERT"))
    if server == "HTTP" and not settings.get("HTTP_TLS_CLIENT_CA"):
        _check_healthz(address, timeout_seconds, has_tls=has_tls)
        return
    with socket.create_connection(address, timeout=timeout_seconds) as connection:
        if has_tls:
            # A client without a certificate gets no further than the handshake; that the server takes part is enough.
            _create_unverified_context("h2" if server == "GRPC" else "http/1.1").wrap_socket(connection).close()
        elif not connection.recv(9):
            raise ConnectionError("the gRPC server closed the connection without sending an HTTP/2 frame")


def _parse_port(text: str) -> int | None:
    return int(text) if text else None


def _check_healthz(address: tuple[str, int], timeout_seconds: float, *, has_tls: bool) -> None:
    host, port = address
    url = f"{'https' if has_tls else 'http'}://{f'[{host}]' if ':' in host else host}:{port}/healthz"
    client = HttpClient(
        deadline_seconds=timeout_seconds,
        max_response_bytes=MAX_RESPONSE_BYTES,
        ssl_context=_create_unverified_context("http/1.1") if has_tls else None,
    )
    with client:
        status = client.get(url).status
    if status != 200:
        raise UnhealthyError(f"GET /healthz: expected status 200, got {status}")


def _create_unverified_context(protocol: str) -> ssl.SSLContext:
    """Return a client context that accepts every certificate: the check sends nothing secret."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols([protocol])
    return context


def main() -> None:
    """Exit with code 0, or print the reason and exit with code 1."""
    try:
        check_health(os.environ)
    except (OSError, HttpError, UnhealthyError, ValueError) as error:
        open_stderr().write_line(f"health check failed: {str(error) or type(error).__name__}")
        sys.exit(1)


if __name__ == "__main__":
    main()
