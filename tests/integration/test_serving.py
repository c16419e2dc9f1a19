"""The program as its clients meet it: what the real process answers, over both protocols."""

import re
import socket
import subprocess
import sys

from demo.prometheus import free_port
from tests.integration.process import Gateway, environment, until
from tests.server.call import call
from tests.server.exchange import ask, raw


def test_the_real_process_serves_both(gateway: Gateway) -> None:
    """HTTP and gRPC of one process show the same nodes of a real Prometheus, complete."""
    answer, reply = ask(gateway.http), call(gateway.grpc)
    assert answer.headers["X-Topology-Complete"] == reply.trailing["x-topology-complete"] == "true"
    nodes = answer.json()["cluster"]["edge-a"]["node"]
    assert sorted(nodes) == sorted(node.id for node in reply.model.nodes) == ["node-0", "node-1"]


def test_the_real_process_hides_its_software(gateway: Gateway) -> None:
    """No header names the server, and X-Forwarded-For changes nothing."""
    answer = ask(gateway.http, headers=[("X-Forwarded-For", "garbage, 1.2.3.4"), ("X-Forwarded-Proto", "https")])
    assert answer.status == 200
    assert answer.headers["Server"] is None


def test_an_endless_header_is_cut_off(gateway: Gateway) -> None:
    """A header that does not end is refused, or its connection closed, long before it has 4 MB."""
    with socket.create_connection(("127.0.0.1", gateway.http), timeout=3) as connection:
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Long: ")
        assert _is_cut_off(connection)


def _is_cut_off(connection: socket.socket) -> bool:
    try:
        connection.sendall(b"x" * 4_000_000)
        return connection.recv(12) in (b"", b"HTTP/1.1 400", b"HTTP/1.1 431")
    except ConnectionError:
        return True
    except TimeoutError:
        return False


def test_many_bad_requests_leave_it_well(gateway: Gateway) -> None:
    """After a hundred broken requests and connections the gateway serves as before."""
    for number in range(100):
        with socket.create_connection(("127.0.0.1", gateway.http), timeout=5) as connection:
            connection.sendall([b"\x00\x01", b"GET / HT", b"GET / HTTP/1.1\r\n\r\n", b"\r\n" * 50][number % 4])
    assert ask(gateway.http).status == 200
    assert raw(gateway.http, b"GET /\xff HTTP/1.1\r\n\r\n").startswith(b"HTTP/1.1 400 ")
    assert gateway.process.poll() is None


def test_the_real_process_answers_at_once(gateway: Gateway) -> None:
    """What is ready is answered where it is read: also before the refusal of bytes behind it, which ends all else."""
    asked = b"GET / HTTP/1.1\r\nHost: x\r\n\r\nnonsense\r\n\r\n"

    def is_answered() -> bool:
        # The first answer after a refresh is made on the long way.
        assert ask(gateway.http).status == 200
        return re.findall(rb"HTTP/1.1 (\d+)", raw(gateway.http, asked)) == [b"200", b"400"]

    until(is_answered, "an answer at once")


def test_the_client_is_a_program(gateway: Gateway) -> None:
    """The small ETIM client prints the nodes of a real gateway, and one line where there is no gateway."""
    client = [sys.executable, "-m", "aggregator.etim_client"]
    done = subprocess.run(
        [*client, f"127.0.0.1:{gateway.grpc}"],
        env=environment({}),
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-1].startswith("2 nodes, ")
    done = subprocess.run(
        [*client, f"127.0.0.1:{free_port()}"],
        env=environment({}),
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert done.returncode == 1
    assert "UNAVAILABLE" in done.stderr
