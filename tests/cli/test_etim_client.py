"""The client of the ETIM contract, against a real gRPC server."""

import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import pytest

from aggregator.cli import etim_client
from aggregator.pb.etim import server_pb2 as pb
from aggregator.pb.etim import server_pb2_grpc as pb_grpc
from demo.prometheus import find_free_port
from tests.support.certificate_authority import CertificateAuthority, write_certificate_files

ROOT = Path(__file__).parents[2]
TOKEN = "good-token"
NODES = [
    pb.Node(
        id="w1",
        cpu_architecture="x86_64",
        resources=pb.ComputeResources(milliCPU=3900, memoryInBytes=8 * 2**30),
        available_resources=pb.ComputeResources(milliCPU=500, memoryInBytes=3 * 2**29),
        labels=["cluster=edge", "gpu=1"],
    ),
    pb.Node(id="a-node-with-a-long-name"),
]


class FakeAggregator(pb_grpc.AggregatorServicer):
    """Requires a token and returns two nodes."""

    def ConnectToQuerier(  # noqa: N802 - the contract's name
        self, _request: pb.Empty, context: grpc.ServicerContext
    ) -> pb.InfrastructureModel:
        """Return the nodes, or abort without the token."""
        if ("authorization", f"Bearer {TOKEN}") not in [(key, value) for key, value in context.invocation_metadata()]:
            sent = [value for key, value in context.invocation_metadata() if key == "authorization"]
            context.abort(grpc.StatusCode.UNAUTHENTICATED, f"not authorized: {sent}")
        context.set_trailing_metadata((("age", "7"), ("x-topology-complete", "false")))
        return pb.InfrastructureModel(nodes=NODES)


@pytest.fixture(scope="module")
def target() -> Iterator[str]:
    """Run a gRPC server; yield its address."""
    server = grpc.server(ThreadPoolExecutor(2))
    pb_grpc.add_AggregatorServicer_to_server(FakeAggregator(), server)  # type: ignore[no-untyped-call] # generated without types
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield f"127.0.0.1:{port}"
    server.stop(None).wait()


def run_client(*arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Run the client as a program."""
    return subprocess.run(
        [sys.executable, "-m", "aggregator.cli.etim_client", *arguments],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_client_sends_the_token(target: str) -> None:
    """The result is the model and the trailing metadata."""
    model, metadata = etim_client.fetch_infrastructure(target, TOKEN)
    assert list(model.nodes) == NODES
    assert metadata == {"age": "7", "x-topology-complete": "false"}


@pytest.mark.parametrize("token", [None, "bad-token"])
def test_a_missing_token_is_an_error(target: str, token: str | None) -> None:
    """A missing or wrong token is an error with the status of the gateway."""
    with pytest.raises(grpc.RpcError) as error:
        etim_client.fetch_infrastructure(target, token)
    assert error.value.code() is grpc.StatusCode.UNAUTHENTICATED


def test_the_table() -> None:
    """CPU is in cores, memory in GiB; unknown values are dashes."""
    assert list(etim_client.render_node_table(NODES)) == [
        "ID                       ARCHITECTURE  CPU  CPU FREE  MEMORY   MEMORY FREE  LABELS",
        "w1                       x86_64        3.9  0.5       8.0 GiB  1.5 GiB      cluster=edge, gpu=1",
        "a-node-with-a-long-name  -             -    -         -        -            -",
    ]


def test_no_nodes_are_an_empty_table() -> None:
    """Without nodes, the table has only its header."""
    assert "".join(etim_client.render_node_table([])).split() == " ".join(etim_client.TABLE_COLUMNS).split()


def test_the_program_prints_the_table_and_the_age(target: str) -> None:
    """The token comes from the environment; the last line has the number of nodes, the age, and completeness."""
    completed = run_client(target, TOKEN=TOKEN)
    assert (completed.returncode, completed.stderr) == (0, "")
    assert completed.stdout == "\n".join([*etim_client.render_node_table(NODES), "2 nodes, 7 s old, incomplete\n"])


def test_an_unreachable_gateway_is_one_line() -> None:
    """A failure exits with code 1 and one line with address and status."""
    nowhere = f"127.0.0.1:{find_free_port()}"
    completed = run_client(nowhere)
    assert (completed.returncode, completed.stdout) == (1, "")
    (line,) = completed.stderr.splitlines()
    assert line.startswith(f"{nowhere}: UNAVAILABLE: ")


def test_a_repeated_token_is_redacted(target: str) -> None:
    """A status text that repeats the token is printed without it."""
    completed = run_client(target, TOKEN="another-token-0123")
    assert (completed.returncode, completed.stderr) == (
        1,
        f"{target}: UNAUTHENTICATED: not authorized: ['Bearer ***']\n",
    )


def test_the_client_uses_tls(tmp_path: Path) -> None:
    """The client uses TLS with a given authority, and with a client certificate if the gateway requires one."""
    authority = CertificateAuthority()
    files = write_certificate_files(tmp_path / "tls", authority.issue(), authority.pem)
    cert, key, ca = files.read_contents()
    server = grpc.server(ThreadPoolExecutor(2))
    pb_grpc.add_AggregatorServicer_to_server(FakeAggregator(), server)  # type: ignore[no-untyped-call] # generated without types
    credentials = grpc.ssl_server_credentials([(key, cert)], ca, require_client_auth=True)
    port = server.add_secure_port("127.0.0.1:0", credentials)
    server.start()
    options = ["--ca", str(files.client_ca), "--cert", files.cert, "--key", files.key]
    try:
        completed = run_client(f"127.0.0.1:{port}", *options, TOKEN=TOKEN)
        error = run_client(f"127.0.0.1:{port}", *options[:2], TOKEN=TOKEN)
    finally:
        server.stop(None).wait()
    assert (completed.returncode, completed.stderr) == (0, "")
    assert completed.stdout.endswith("2 nodes, 7 s old, incomplete\n")
    assert error.returncode == 1


HOSTILE_TEXT = "\x1b]0;pwn\x07\r\u202e\u0085\u2028"


class HostileAggregator(pb_grpc.AggregatorServicer):
    """Returns texts that try to control the terminal: nodes with a token, an error without."""

    def ConnectToQuerier(  # noqa: N802 - the contract's name
        self, _request: pb.Empty, context: grpc.ServicerContext
    ) -> pb.InfrastructureModel:
        """Return a node, or abort."""
        if "authorization" not in [key for key, _ in context.invocation_metadata()]:
            context.abort(grpc.StatusCode.INTERNAL, HOSTILE_TEXT)
        return pb.InfrastructureModel(nodes=[pb.Node(id=HOSTILE_TEXT, labels=[f"device={HOSTILE_TEXT}"])])


def test_texts_of_the_gateway_are_escaped() -> None:
    """Node IDs, labels and status texts are printed without control characters."""
    server = grpc.server(ThreadPoolExecutor(2))
    pb_grpc.add_AggregatorServicer_to_server(HostileAggregator(), server)  # type: ignore[no-untyped-call] # generated without types
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        table = run_client(f"127.0.0.1:{port}", TOKEN=TOKEN, PYTHONUTF8="1")
        error = run_client(f"127.0.0.1:{port}", PYTHONUTF8="1")
    finally:
        server.stop(None).wait()
    assert (table.returncode, error.returncode) == (0, 1)
    assert table.stdout.endswith("\n1 node, ? s old\n")
    for text in (table.stdout, error.stderr):
        assert r"\x1b]0;pwn\x07\r\u202e\x85\u2028" in text
        assert all(line.isprintable() for line in text.split("\n"))


def test_bad_files_for_tls_are_one_line() -> None:
    """A missing file exits with code 1 and its name; a certificate without a key exits with code 2."""
    completed = run_client("--ca", "/nowhere/ca.pem")
    assert (completed.returncode, completed.stderr) == (
        1,
        "/nowhere/ca.pem: cannot be read (No such file or directory)\n",
    )
    assert run_client("--cert", "x").returncode == 2
