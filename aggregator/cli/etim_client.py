"""A small ETIM client, `aggregator-etim-client`: fetches the nodes of a gateway and prints them as a table."""

import argparse
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import grpc

from aggregator.cli.terminal import (
    display_width,
    escape_control_characters,
    open_stderr,
    open_stdout,
    pad_to_width,
    pluralize,
)
from aggregator.errors import CertificateError
from aggregator.observability.redaction import Redactor
from aggregator.pb.etim import server_pb2 as pb
from aggregator.pb.etim import server_pb2_grpc as pb_grpc
from aggregator.util.files import read_pem_file

DEFAULT_TARGET = "localhost:8181"
CALL_TIMEOUT_SECONDS = 5.0
TABLE_COLUMNS = ("ID", "ARCHITECTURE", "CPU", "CPU FREE", "MEMORY", "MEMORY FREE", "LABELS")
BYTES_PER_GIB = 2**30


@dataclass(frozen=True)
class ClientTls:
    """PEM files for TLS: trusted CA certificates ("": those of gRPC), client certificate and its key ("": none)."""

    ca_file: str = ""
    cert_file: str = ""
    key_file: str = ""

    def load_credentials(self) -> grpc.ChannelCredentials:
        """Return the credentials of a channel; raise CertificateError, with the name, if a file cannot be read."""
        ca, key, cert = (
            read_pem_file(path) if path else None for path in (self.ca_file, self.key_file, self.cert_file)
        )
        return grpc.ssl_channel_credentials(ca, key, cert)


def fetch_infrastructure(
    target: str, token: str | None, tls: ClientTls | None = None
) -> tuple[pb.InfrastructureModel, dict[str, str]]:
    """Return the response of the gateway at `target`, and its trailing metadata.

    Raises grpc.RpcError, and CertificateError if a file cannot be read.
    """
    metadata = [("authorization", f"Bearer {token}")] if token else []
    with grpc.secure_channel(target, tls.load_credentials()) if tls else grpc.insecure_channel(target) as channel:
        stub = pb_grpc.AggregatorStub(channel)  # type: ignore[no-untyped-call] # generated without types
        model, call = stub.ConnectToQuerier.with_call(pb.Empty(), timeout=CALL_TIMEOUT_SECONDS, metadata=metadata)
    return model, {key: str(value) for key, value in call.trailing_metadata() or ()}


def render_node_table(nodes: Iterable[pb.Node]) -> Iterator[str]:
    """Yield the lines of a table of the nodes; unknown values are dashes."""
    rows = [TABLE_COLUMNS, *(tuple(map(escape_control_characters, _format_node_row(node))) for node in nodes)]
    widths = [max(display_width(row[column]) for row in rows) for column in range(len(TABLE_COLUMNS))]
    for row in rows:
        yield "  ".join(pad_to_width(cell, width) for cell, width in zip(row, widths, strict=True)).rstrip()


def _format_node_row(node: pb.Node) -> Sequence[str]:
    return (
        node.id,
        node.cpu_architecture or "-",
        _format_cores(node.resources.milliCPU),
        _format_cores(node.available_resources.milliCPU),
        _format_gibibytes(node.resources.memoryInBytes),
        _format_gibibytes(node.available_resources.memoryInBytes),
        ", ".join(node.labels) or "-",
    )


def _format_cores(millicores: int) -> str:
    return f"{millicores / 1000:g}" if millicores else "-"


def _format_gibibytes(size_bytes: int) -> str:
    return f"{size_bytes / BYTES_PER_GIB:.1f} GiB" if size_bytes else "-"


def main() -> None:
    """Print the nodes; exit with code 1 and one line if the gateway does not return them."""
    arguments = _parse_arguments()
    tls = ClientTls(arguments.ca, arguments.cert, arguments.key)
    token = os.environ.get("TOKEN", "")
    errors = open_stderr()
    try:
        model, metadata = fetch_infrastructure(
            arguments.target, token, tls if arguments.tls or tls != ClientTls() else None
        )
    except grpc.RpcError as error:
        # The server may repeat the token that it received.
        details = Redactor([token]).redact(error.details() or "")
        errors.write_line(f"{arguments.target}: {error.code().name}: {details}")
        sys.exit(1)
    except CertificateError as error:
        errors.write_line(str(error))
        sys.exit(1)
    output = open_stdout(os.environ)
    for line in render_node_table(model.nodes):
        output.write_line(line)
    completeness = ", incomplete" if metadata.get("x-topology-complete") == "false" else ""
    output.write_line(f"{pluralize(len(model.nodes), 'node')}, {metadata.get('age', '?')} s old{completeness}")


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="aggregator-etim-client",
        description="Fetches the nodes of a gateway over gRPC, as ETIM clients do, and prints them as a table.",
        epilog="The environment variable TOKEN contains the token, if the gateway requires one.",
    )
    parser.add_argument(
        "target", nargs="?", default=DEFAULT_TARGET, metavar="HOST:PORT", help=f"gateway (default: {DEFAULT_TARGET})"
    )
    parser.add_argument("--tls", action="store_true", help="use TLS; implied by the following options")
    parser.add_argument("--ca", default="", metavar="FILE", help="trusted CA certificates (default: those of gRPC)")
    parser.add_argument("--cert", default="", metavar="FILE", help="client certificate; requires --key")
    parser.add_argument("--key", default="", metavar="FILE", help="key of the client certificate; requires --cert")
    arguments = parser.parse_args()
    if bool(arguments.cert) != bool(arguments.key):
        parser.error("--cert and --key must be given together")
    return arguments


if __name__ == "__main__":
    main()
