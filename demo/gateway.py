"""The gateway of the demo: its ports, its environment, its process, and when it is ready."""

import contextlib
import errno
import json
import socket
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from urllib.parse import quote, urlsplit

from demo.processes import ManagedProcess, run_process

LOOPBACK = "127.0.0.1"
GATEWAY_COMMAND = (sys.executable, "-m", "aggregator")
REQUEST_TIMEOUT_SECONDS = 5.0
# The cluster of the hosts and nodes whose series have no label that names one.
UNLABELED_CLUSTER = "workshop"


class PortError(Exception):
    """A port cannot be used; the text is one line that names it and what to do."""


@dataclass(frozen=True)
class GatewayPorts:
    """The ports that the gateway listens on."""

    http: int
    grpc: int


def select_ports(environ: Mapping[str, str]) -> GatewayPorts:
    """Return the ports in the environment, or the default ports; raise PortError if one is not free."""
    ports = GatewayPorts(
        parse_free_port("HTTP_PORT", environ.get("HTTP_PORT") or "8080"),
        parse_free_port("GRPC_PORT", environ.get("GRPC_PORT") or "8181"),
    )
    if ports.http == ports.grpc:
        raise PortError(f"HTTP_PORT and GRPC_PORT must differ, got {ports.http} for both")
    return ports


def build_environment(environ: Mapping[str, str], address: str, ports: GatewayPorts) -> dict[str, str]:
    """Return the environment of the gateway: that of the caller, with the addresses of the demo."""
    return {
        **environ,
        # The demo is for local use unless the caller sets another address.
        **{name: environ.get(name) or LOOPBACK for name in ("HTTP_HOST", "GRPC_HOST", "METRICS_HOST")},
        "PROMETHEUS_ADDRESS": address,
        "HTTP_PORT": str(ports.http),
        "GRPC_PORT": str(ports.grpc),
        "REFRESH_INTERVAL": environ.get("REFRESH_INTERVAL") or "5",
        "CLUSTER_NAME": environ.get("CLUSTER_NAME") or UNLABELED_CLUSTER,
    }


@contextlib.contextmanager
def run_gateway(
    folder: Path, environ: Mapping[str, str], command: Sequence[str] = GATEWAY_COMMAND
) -> Iterator[ManagedProcess]:
    """Run the gateway while the block runs; its output goes to a file in `folder`."""
    with run_process("the gateway", command, environ, folder / "gateway.log") as process:
        yield process


def has_scraped_targets(prometheus_url: str, count: int) -> bool:
    """Return whether Prometheus has scraped this number of targets at least once."""
    query = quote(f"count(up == 1) == {count}")
    return '"value"' in get_http(prometheus_url, f"/api/v1/query?query={query}")[1]


def has_topology(gateway_url: str) -> bool:
    """Return whether the gateway is ready and serves clusters; with a KEY, whether it is ready."""
    if get_http(gateway_url, "/readyz")[0] != 200:
        return False
    status, text = get_http(gateway_url, "/")
    return status == 401 or (status == 200 and _has_clusters(text))


def _has_clusters(text: str) -> bool:
    try:
        document = json.loads(text)
    except ValueError:
        return False
    return isinstance(document, dict) and bool(document.get("cluster"))


def get_http(url: str, path: str) -> tuple[int, str]:
    """Return status and body, or (0, "") without a response."""
    connection = HTTPConnection(urlsplit(url).netloc, timeout=REQUEST_TIMEOUT_SECONDS)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.read().decode(errors="replace")
    except (OSError, HTTPException):
        return 0, ""
    finally:
        connection.close()


def find_page(url: str, paths: Sequence[str], api_path: str) -> str:
    """Return the URL of the first page that exists, else that of the API: not every package has the web interface."""
    for path in paths:
        if get_http(url, path)[0] == HTTPStatus.OK:
            return f"{url}{path}"
    return f"{url}{api_path} (this package has no web pages)"


def parse_free_port(variable: str, text: str) -> int:
    """Return the port that a variable names; raise PortError if it is no free port."""
    if not (text.isascii() and text.isdigit() and 0 < int(text) < 65536):
        raise PortError(f"{variable} must be a port number from 1 to 65535, got {text}")
    try:
        # All interfaces: a listener on any one of them would conflict.
        with socket.create_server(("", int(text))):
            return int(text)
    except OSError as error:
        reason = "is in use" if error.errno == errno.EADDRINUSE else f"cannot be used ({error})"
        raise PortError(f"port {text} {reason}: choose another one with {variable}=...") from error
