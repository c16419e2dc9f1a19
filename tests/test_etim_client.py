"""The client of the ETIM contract, against a real gRPC server."""

import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import pytest

from aggregator import etim_client
from aggregator.pb.etim import server_pb2 as pb
from aggregator.pb.etim import server_pb2_grpc as pb_grpc
from demo.prometheus import free_port
from tests.server.authority import Authority, write

ROOT = Path(__file__).parent.parent
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


class Aggregator(pb_grpc.AggregatorServicer):
    """Answers whoever has the token."""

    def ConnectToQuerier(  # noqa: N802 - the contract's name
        self, _request: pb.Empty, context: grpc.ServicerContext
    ) -> pb.InfrastructureModel:
        """Answer with two nodes."""
        if ("authorization", f"Bearer {TOKEN}") not in [(key, value) for key, value in context.invocation_metadata()]:
            sent = [value for key, value in context.invocation_metadata() if key == "authorization"]
            context.abort(grpc.StatusCode.UNAUTHENTICATED, f"not authorized: {sent}")
        context.set_trailing_metadata((("age", "7"), ("x-topology-complete", "false")))
        return pb.InfrastructureModel(nodes=NODES)


@pytest.fixture(scope="module")
def target() -> Iterator[str]:
    """Run a server; return its address."""
    server = grpc.server(ThreadPoolExecutor(2))
    pb_grpc.add_AggregatorServicer_to_server(Aggregator(), server)  # type: ignore[no-untyped-call] # generated without types
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield f"127.0.0.1:{port}"
    server.stop(None).wait()


def printed(*arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Run the client as a program."""
    return subprocess.run(
        [sys.executable, "-m", "aggregator.etim_client", *arguments],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_it_asks_with_the_token(target: str) -> None:
    """The model and what the gateway says of its age come back."""
    model, said = etim_client.ask(target, TOKEN)
    assert list(model.nodes) == NODES
    assert said == {"age": "7", "x-topology-complete": "false"}


@pytest.mark.parametrize("token", [None, "bad-token"])
def test_without_the_token_it_is_refused(target: str, token: str | None) -> None:
    """The gateway's refusal is the error."""
    with pytest.raises(grpc.RpcError) as refused:
        etim_client.ask(target, token)
    assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED


def test_the_table() -> None:
    """Cores and GiB are told in columns; what is unknown is a dash."""
    assert etim_client.table(NODES).splitlines() == [
        "ID                       ARCHITECTURE  CPU  CPU FREE  MEMORY   MEMORY FREE  LABELS",
        "w1                       x86_64        3.9  0.5       8.0 GiB  1.5 GiB      cluster=edge, gpu=1",
        "a-node-with-a-long-name  -             -    -         -        -            -",
    ]


def test_no_nodes_are_a_table_all_the_same() -> None:
    """The head is there without any line."""
    assert etim_client.table([]).split() == " ".join(etim_client.COLUMNS).split()


def test_the_program_prints_what_it_got(target: str) -> None:
    """The token is taken from the environment; the last line tells number, age, and what is missing."""
    done = printed(target, TOKEN=TOKEN)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"{etim_client.table(NODES)}\n2 nodes, 7 s old, incomplete\n"


def test_a_gateway_that_is_not_there_is_one_line() -> None:
    """A failure is status 1 and one line with address and code."""
    nowhere = f"127.0.0.1:{free_port()}"
    done = printed(nowhere)
    assert (done.returncode, done.stdout) == (1, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"{nowhere}: UNAVAILABLE: ")


def test_a_token_that_is_repeated_is_not_printed(target: str) -> None:
    """What whoever answers says of the token that it was sent is told without it."""
    done = printed(target, TOKEN="another-token-0123")
    assert (done.returncode, done.stderr) == (1, f"{target}: UNAUTHENTICATED: not authorized: ['Bearer ***']\n")


def test_it_speaks_tls(tmp_path: Path) -> None:
    """With an authority, and a certificate of its own where the gateway wants one, it asks over TLS."""
    authority = Authority()
    files = write(tmp_path / "tls", authority.pair(), authority.pem)
    cert, key, ca = files.contents()
    server = grpc.server(ThreadPoolExecutor(2))
    pb_grpc.add_AggregatorServicer_to_server(Aggregator(), server)  # type: ignore[no-untyped-call] # generated without types
    credentials = grpc.ssl_server_credentials([(key, cert)], ca, require_client_auth=True)
    port = server.add_secure_port("127.0.0.1:0", credentials)
    server.start()
    shown = ["--ca", str(files.client_ca), "--cert", files.cert, "--key", files.key]
    try:
        done = printed(f"127.0.0.1:{port}", *shown, TOKEN=TOKEN)
        refused = printed(f"127.0.0.1:{port}", *shown[:2], TOKEN=TOKEN)
    finally:
        server.stop(None).wait()
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith("2 nodes, 7 s old, incomplete\n")
    assert refused.returncode == 1


def test_bad_files_for_tls_are_one_line() -> None:
    """A file that is not there is named with status 1; a certificate without its key is refused with 2."""
    done = printed("--ca", "/nowhere/ca.pem")
    assert (done.returncode, done.stderr) == (1, "/nowhere/ca.pem: No such file or directory\n")
    assert printed("--cert", "x").returncode == 2
