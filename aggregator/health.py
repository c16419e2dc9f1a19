"""The container image's health check, `python -m aggregator.health`: exit code 0 while the process lives.

It finds the servers by the settings that the gateway itself has, but reads only these few, by name: it is run every
few seconds, and to import all settings takes half a second.
"""

import http.client
import os
import socket
import ssl
import sys
from collections.abc import Mapping

from aggregator.ports import http_port, stand_in

TIMEOUT_SECONDS = 4.0


def check(environment: Mapping[str, str], timeout_seconds: float = TIMEOUT_SECONDS) -> None:
    """Return if the server of these settings answers; raise OSError, HTTPException or ValueError if it does not.

    HTTP is asked for /healthz: life, not readiness, since starting anew brings no Prometheus back. Where there is
    only gRPC, the server has to greet who connects; gRPC's own health service speaks of readiness.
    """
    settings = {name: value.strip() for name, value in environment.items()}
    http, grpc = settings.get("HTTP_PORT", ""), settings.get("GRPC_PORT", "")
    aggregator = stand_in(settings.get("AGGREGATOR_PORT", ""), http)
    port = http_port(_number(http), _number(grpc), _number(aggregator))
    server = "HTTP" if port is not None else "GRPC"
    # Who listens on all addresses is met at the one that stands for all.
    address = (settings.get(f"{server}_HOST") or "0.0.0.0", int(grpc) if port is None else port)  # noqa: S104 - see above
    has_tls = bool(settings.get(f"{server}_TLS_CERT"))
    with socket.create_connection(address, timeout=timeout_seconds) as connection:
        if has_tls and (server == "GRPC" or settings.get("HTTP_TLS_CLIENT_CA")):
            # Whoever has no certificate gets no further than this; that the server takes part in it is enough.
            _with_tls(connection, "h2" if server == "GRPC" else "http/1.1").close()
        elif server == "GRPC":
            _see_greeting(connection)
        else:
            _ask(_with_tls(connection, "http/1.1") if has_tls else connection)


def _number(text: str) -> int | None:
    return int(text) if text else None


def _with_tls(connection: socket.socket, protocol: str) -> ssl.SSLSocket:
    """Return the connection after a handshake. Whose certificate it is is not looked at: nothing secret is sent."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols([protocol])
    return context.wrap_socket(connection)


def _ask(connection: socket.socket) -> None:
    with connection:
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        with http.client.HTTPResponse(connection) as response:
            response.begin()
    if response.status != 200:
        raise http.client.HTTPException(f"/healthz answers {response.status}")


def _see_greeting(connection: socket.socket) -> None:
    """Wait for what a server of HTTP/2 sends first."""
    if not connection.recv(9):
        raise ConnectionError("the server closed the connection")


def main() -> None:
    """Exit with 0, or with 1 and the reason."""
    try:
        check(os.environ)
    except (OSError, http.client.HTTPException, ValueError) as error:
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        sys.exit(1)


if __name__ == "__main__":
    main()
