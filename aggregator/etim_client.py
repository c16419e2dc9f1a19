"""A small client of the ETIM contract: asks a gateway for its nodes and prints them as a table."""

import argparse
import os
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import grpc

from aggregator.pb.etim import server_pb2 as pb
from aggregator.pb.etim import server_pb2_grpc as pb_grpc
from aggregator.secrets import Secrets

DEFAULT_TARGET = "localhost:8181"
TIMEOUT_SECONDS = 5.0
COLUMNS = ("ID", "ARCHITECTURE", "CPU", "CPU FREE", "MEMORY", "MEMORY FREE", "LABELS")
GIBIBYTE = 2**30


@dataclass(frozen=True)
class Tls:
    """The files for TLS, as PEM: whom to believe, "" for the usual authorities, and what to show, "" for nothing."""

    ca: str = ""
    cert: str = ""
    key: str = ""

    def credentials(self) -> grpc.ChannelCredentials:
        """Return them as gRPC wants them; raise OSError where a file cannot be read."""
        ca, key, cert = (Path(name).read_bytes() if name else None for name in (self.ca, self.key, self.cert))
        return grpc.ssl_channel_credentials(ca, key, cert)


def ask(target: str, token: str | None, tls: Tls | None = None) -> tuple[pb.InfrastructureModel, dict[str, str]]:
    """Return the model that the gateway at `target` answers with, and its trailing metadata."""
    metadata = [("authorization", f"Bearer {token}")] if token else []
    with grpc.secure_channel(target, tls.credentials()) if tls else grpc.insecure_channel(target) as channel:
        stub = pb_grpc.AggregatorStub(channel)  # type: ignore[no-untyped-call] # generated without types
        model, call = stub.ConnectToQuerier.with_call(pb.Empty(), timeout=TIMEOUT_SECONDS, metadata=metadata)
    return model, {key: str(value) for key, value in call.trailing_metadata() or ()}


def table(nodes: Iterable[pb.Node]) -> str:
    """Return the nodes as lines of columns; what is unknown is a dash."""
    rows = [COLUMNS, *(_row(node) for node in nodes)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(COLUMNS))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def _row(node: pb.Node) -> Sequence[str]:
    return (
        node.id,
        node.cpu_architecture or "-",
        _cores(node.resources.milliCPU),
        _cores(node.available_resources.milliCPU),
        _gibibytes(node.resources.memoryInBytes),
        _gibibytes(node.available_resources.memoryInBytes),
        ", ".join(node.labels) or "-",
    )


def _cores(milli: int) -> str:
    return f"{milli / 1000:g}" if milli else "-"


def _gibibytes(size_bytes: int) -> str:
    return f"{size_bytes / GIBIBYTE:.1f} GiB" if size_bytes else "-"


def main() -> None:
    """Print the nodes; exit 1 with one line where the gateway has no answer."""
    parser = argparse.ArgumentParser(
        prog="aggregator-etim-client",
        description="Prints the nodes that an Aggregator knows, asked over gRPC as ETIM clients do.",
        epilog="A token is read from the environment variable TOKEN.",
    )
    parser.add_argument(
        "target", nargs="?", default=DEFAULT_TARGET, metavar="HOST:PORT", help=f"default: {DEFAULT_TARGET}"
    )
    parser.add_argument("--tls", action="store_true", help="speak TLS; the three below do so, too")
    parser.add_argument("--ca", default="", metavar="FILE", help="authorities to believe (default: gRPC's own)")
    parser.add_argument("--cert", default="", metavar="FILE", help="client certificate, with --key")
    parser.add_argument("--key", default="", metavar="FILE", help="its key")
    given = parser.parse_args()
    if bool(given.cert) != bool(given.key):
        parser.error("--cert and --key belong together")
    target, tls, token = given.target, Tls(given.ca, given.cert, given.key), os.environ.get("TOKEN", "")
    try:
        model, said = ask(target, token, tls if given.tls or tls != Tls() else None)
    except grpc.RpcError as error:
        # Whoever answers may repeat what it was sent.
        details = Secrets([token]).hide(error.details() or "")
        sys.stderr.write(f"{target}: {error.code().name}: {details}\n")
        sys.exit(1)
    except OSError as error:
        sys.stderr.write(f"{error.filename}: {error.strerror}\n")
        sys.exit(1)
    complete = "" if said.get("x-topology-complete") != "false" else ", incomplete"
    sys.stdout.write(f"{table(model.nodes)}\n{len(model.nodes)} nodes, {said.get('age', '?')} s old{complete}\n")


if __name__ == "__main__":
    main()
