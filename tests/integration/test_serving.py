"""Responses of a real process over HTTP and gRPC."""

import socket
import subprocess
import sys

from demo.prometheus import find_free_port
from tests.integration.gateway_process import GatewayProcess, build_environment
from tests.support.grpc_client import call_method
from tests.support.http_client import send_raw, send_request


def test_http_and_grpc_serve_the_same_nodes(gateway: GatewayProcess) -> None:
    """HTTP and gRPC serve the same complete nodes of a real Prometheus."""
    response, reply = send_request(gateway.http_port), call_method(gateway.grpc_port)
    assert response.headers["X-Topology-Complete"] == reply.trailing_metadata["x-topology-complete"] == "true"
    nodes = response.json()["cluster"]["edge-a"]["node"]
    assert sorted(nodes) == sorted(node.id for node in reply.model.nodes) == ["node-0", "node-1"]


def test_responses_do_not_name_the_server_software(gateway: GatewayProcess) -> None:
    """No header names the server software, also with X-Forwarded headers."""
    response = send_request(
        gateway.http_port, headers=[("X-Forwarded-For", "garbage, 1.2.3.4"), ("X-Forwarded-Proto", "https")]
    )
    assert response.status == 200
    assert response.headers["Server"] is None


def test_an_endless_header_is_rejected(gateway: GatewayProcess) -> None:
    """A header without end is rejected, or its connection closed, before 4 MB are sent."""
    with socket.create_connection(("127.0.0.1", gateway.http_port), timeout=3) as connection:
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Long: ")
        assert _is_disconnected(connection)


def _is_disconnected(connection: socket.socket) -> bool:
    try:
        connection.sendall(b"x" * 4_000_000)
        return connection.recv(12) in (b"", b"HTTP/1.1 400", b"HTTP/1.1 431")
    except ConnectionError:
        return True
    except TimeoutError:
        return False


def test_the_gateway_survives_many_malformed_requests(gateway: GatewayProcess) -> None:
    """After a hundred malformed requests the gateway serves as before."""
    for number in range(100):
        with socket.create_connection(("127.0.0.1", gateway.http_port), timeout=5) as connection:
            connection.sendall([b"\x00\x01", b"GET / HT", b"GET / HTTP/1.1\r\n\r\n", b"\r\n" * 50][number % 4])
    assert send_request(gateway.http_port).status == 200
    assert send_raw(gateway.http_port, b"GET /\xff HTTP/1.1\r\n\r\n").startswith(b"HTTP/1.1 400 ")
    assert gateway.process.poll() is None


def test_the_etim_client_is_a_program(gateway: GatewayProcess) -> None:
    """The ETIM client prints the nodes of a gateway, and the status UNAVAILABLE if there is none."""
    client = [sys.executable, "-m", "aggregator.cli.etim_client"]
    completed = subprocess.run(
        [*client, f"127.0.0.1:{gateway.grpc_port}"],
        env=build_environment({}),
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert (completed.returncode, completed.stderr) == (0, "")
    assert completed.stdout.splitlines()[-1].startswith("2 nodes, ")
    completed = subprocess.run(
        [*client, f"127.0.0.1:{find_free_port()}"],
        env=build_environment({}),
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert completed.returncode == 1
    assert "UNAVAILABLE" in completed.stderr
