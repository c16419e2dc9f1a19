"""Many kinds of clients: with one connection, with new connections, slow ones, and ones that disconnect early."""

import http.client
import json
import random
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import grpc
import msgspec

from aggregator.lookup.watch_events import WatchEvent
from aggregator.pb.aggregator.v1 import topology_pb2 as pb
from aggregator.views.v1_protobuf import serialize_message
from tests.faults.concurrent_clients import open_slow_reader
from tests.integration.gateway_process import GatewayProcess
from tests.server.openapi.document import WATCH_PATH
from tests.server.watch.copies import JsonCopy, MessageCopy, Objects, WatchCopy
from tests.soak.results import SoakResults
from tests.support import grpc_client, http_client

PAUSE_SECONDS = 0.05
SLOW_PAUSE_SECONDS = 0.01
SLOW_BYTES = 4096
EXPECTED_STATUSES = {"/healthz": 200, "/readyz": 200, "/openapi.json": 200, "/api/nothing": 404, "/?layout=none": 400}
NO_CACHE_HEADERS = [("Cache-Control", "no-cache")]
WATCH_METHOD, LIST_NODES_METHOD = (f"/aggregator.v1.TopologyService/{name}" for name in ("WatchTopology", "ListNodes"))

KNOWN_VERSION_SHARE = 0.9
COMPARING_CLIENTS = COMPARING_CLIENT, COMPARING_CALLER = "HTTP, list for a watch", "gRPC, list for a watch"
COMPARED = "compared"


@dataclass
class ClientResults(SoakResults):
    """The outcomes of clients that expect a topology with this many nodes."""

    expected_nodes: int = 0

    def record_http(self, kind: str, response: http_client.ClientResponse) -> None:
        """Record an HTTP response that should be a complete topology."""
        if response.status != 200:
            self.record(kind, str(response.status), f"{response.status} {response.body[:200]!r}")
            return
        outcome = {"true": "200 complete", "false": "200 incomplete"}[response.headers["X-Topology-Complete"]]
        node_count = len(response.json()["cluster"]["edge-a"]["node"])
        self.record(kind, outcome, f"{node_count} nodes" if node_count != self.expected_nodes else "")

    def record_grpc(self, kind: str, result: grpc_client.CallResult) -> None:
        """Record a gRPC result that should contain all nodes."""
        if result.code is not grpc.StatusCode.OK:
            self.record(kind, result.code.name, f"{result.code.name} {result.details[:200]}")
            return
        outcome = "OK complete" if result.trailing_metadata["x-topology-complete"] == "true" else "OK incomplete"
        node_count = len(result.model.nodes)
        self.record(kind, outcome, f"{node_count} nodes" if node_count != self.expected_nodes else "")


ClientFunction = Callable[[GatewayProcess, ClientResults, random.Random], None]


def run_steady_client(gateway: GatewayProcess, results: ClientResults, rng: random.Random) -> None:
    """Send requests for both layouts over one connection, some of them for fresh data."""
    connection = http_client.open_http_connection(gateway.http_port)
    while not results.stop_event.wait(PAUSE_SECONDS):
        headers = NO_CACHE_HEADERS if rng.random() < 0.2 else []
        results.record_http(
            "HTTP, steady",
            http_client.send_on_connection(connection, f"/?layout={rng.choice(['1.2.5', '2025'])}", headers=headers),
        )
    connection.close()


def run_reconnecting_client(gateway: GatewayProcess, results: ClientResults, _rng: random.Random) -> None:
    """Open a new connection for each request."""
    while not results.stop_event.wait(PAUSE_SECONDS):
        results.record_http("HTTP, reconnecting", http_client.send_request(gateway.http_port))


def run_other_paths_client(gateway: GatewayProcess, results: ClientResults, rng: random.Random) -> None:
    """Request other paths than the topology."""
    while not results.stop_event.wait(PAUSE_SECONDS):
        path, expected = rng.choice(sorted(EXPECTED_STATUSES.items()))
        status = http_client.send_request(gateway.http_port, path).status
        results.record("HTTP, other paths", str(status), "" if status == expected else f"{path} {status}")


def run_slow_client(gateway: GatewayProcess, results: ClientResults, _rng: random.Random) -> None:
    """Read responses slowly."""
    while not results.stop_event.is_set():
        with open_slow_reader(gateway.http_port) as connection:
            body = bytearray()
            while chunk := connection.recv(SLOW_BYTES):
                body += chunk
                if results.stop_event.wait(SLOW_PAUSE_SECONDS):
                    return
        head, _, text = bytes(body).partition(b"\r\n\r\n")
        status = head[9:15].decode("latin-1")
        node_count = len(json.loads(text)["cluster"]["edge-a"]["node"]) if status == "200 OK" else 0
        results.record("HTTP, slow", status, f"{node_count} nodes" if node_count != results.expected_nodes else "")


def run_disconnecting_client(gateway: GatewayProcess, results: ClientResults, rng: random.Random) -> None:
    """Disconnect in the middle of responses."""
    while not results.stop_event.wait(PAUSE_SECONDS):
        with open_slow_reader(gateway.http_port) as connection:
            connection.recv(rng.randrange(1, SLOW_BYTES))
        results.record("HTTP, disconnecting", "disconnected")


def run_steady_caller(gateway: GatewayProcess, results: ClientResults, _rng: random.Random) -> None:
    """Make calls on one channel."""
    with grpc_client.open_channel(gateway.grpc_port) as channel:
        while not results.stop_event.wait(PAUSE_SECONDS):
            results.record_grpc("gRPC, steady", grpc_client.call_on_channel(channel))


def run_reconnecting_caller(gateway: GatewayProcess, results: ClientResults, _rng: random.Random) -> None:
    """Make each call on a new channel."""
    while not results.stop_event.wait(PAUSE_SECONDS):
        results.record_grpc("gRPC, reconnecting", grpc_client.call_method(gateway.grpc_port))


def run_cancelling_caller(gateway: GatewayProcess, results: ClientResults, rng: random.Random) -> None:
    """Cancel calls at random times."""
    with grpc_client.open_channel(gateway.grpc_port) as channel:
        while not results.stop_event.wait(PAUSE_SECONDS):
            pending_call = grpc_client.get_unary_callable(channel).future(b"", timeout=grpc_client.CALL_TIMEOUT_SECONDS)
            results.stop_event.wait(rng.uniform(0, 0.02))
            pending_call.cancel()
            results.record("gRPC, cancelling", "cancelled")


def run_watching_client(gateway: GatewayProcess, results: ClientResults, rng: random.Random) -> None:
    """Keep a copy of all nodes over many streams, and compare it with the list whenever both have one version."""
    copy, query = JsonCopy(), "kind=nodes"
    while not results.stop_event.wait(PAUSE_SECONDS):
        path = f"{WATCH_PATH}?{query}&timeout={rng.randrange(100, 3000)}ms"
        headers = [("Last-Event-ID", choose_known_version(copy, rng))]
        response = http_client.send_request(gateway.http_port, path, headers=headers)
        copy.disconnect()
        for text in response.body.decode().removesuffix("\n\n").split("\n\n"):
            name = text.partition("\n")[0].removeprefix("event: ")
            copy.apply(WatchEvent(name, f"{text}\n\n".encode()))
            results.record("event over HTTP", name)
        results.record("HTTP, watching", str(response.status))
        nodes = http_client.send_request(gateway.http_port, "/api/v1/nodes").json()
        listed = {
            ("nodes", each["cluster"], each["id"]): msgspec.json.encode(each, order="sorted") for each in nodes["nodes"]
        }
        results.record(COMPARING_CLIENT, *compare_copy(copy, nodes["version"], listed))


def run_watching_caller(gateway: GatewayProcess, results: ClientResults, rng: random.Random) -> None:
    """Keep a copy of all nodes over many streams of messages, and compare it as the watching client does."""
    copy = MessageCopy()
    with grpc_client.open_channel(gateway.grpc_port) as channel:
        watch: grpc.UnaryStreamMultiCallable[bytes, bytes] = channel.unary_stream(WATCH_METHOD)
        while not results.stop_event.wait(PAUSE_SECONDS):
            copy.disconnect()
            request = pb.WatchTopologyRequest(kind="nodes", known_version=choose_known_version(copy, rng))
            call: Any = watch(request.SerializeToString(), timeout=rng.uniform(0.1, 3))
            with suppress(grpc.RpcError):
                for body in call:
                    message = pb.WatchEvent.FromString(body)
                    copy.apply_message(message)
                    results.record("event over gRPC", str(message.WhichOneof("event")))
            code = call.code()
            is_expected = code is grpc.StatusCode.DEADLINE_EXCEEDED
            results.record("gRPC, watching", code.name, "" if is_expected else f"{code.name} {call.details()}")
            result = grpc_client.call_on_channel(channel, LIST_NODES_METHOD)
            assert result.code is grpc.StatusCode.OK, result.details
            nodes = pb.ListNodesResponse.FromString(result.body)
            listed = {("nodes", each.cluster, each.id): serialize_message(each) for each in nodes.nodes}
            results.record(COMPARING_CALLER, *compare_copy(copy, nodes.version, listed))


def choose_known_version(copy: WatchCopy, rng: random.Random) -> str:
    """Return the version of a copy, and sometimes one that the gateway does not know, which makes it restart."""
    return copy.version if rng.random() < KNOWN_VERSION_SHARE else "forgotten"


def compare_copy(copy: WatchCopy, version: str, listed: Objects) -> tuple[str, str]:
    """Return the outcome of comparing a copy with a list, and the problem, if any."""
    if copy.version != version:
        return "another version", ""
    return COMPARED, "" if listed == copy.list_objects() else "the copy differs"


HTTP_CLIENTS: tuple[ClientFunction, ...] = (
    run_steady_client,
    run_steady_client,
    run_steady_client,
    run_reconnecting_client,
    run_reconnecting_client,
    run_other_paths_client,
    run_slow_client,
    run_disconnecting_client,
    run_watching_client,
    run_watching_client,
)
GRPC_CLIENTS: tuple[ClientFunction, ...] = (
    run_steady_caller,
    run_steady_caller,
    run_reconnecting_caller,
    run_cancelling_caller,
    run_watching_caller,
)


@contextmanager
def run_clients(gateway: GatewayProcess, nodes: int, seed: int) -> Iterator[ClientResults]:
    """Run all clients while the block runs."""
    results = ClientResults(expected_nodes=nodes)

    def run(work: ClientFunction, number: int) -> None:
        try:
            work(gateway, results, random.Random(seed + number))  # noqa: S311 - reproducible test input
        except (OSError, http.client.HTTPException, ValueError, KeyError, AssertionError) as error:
            results.record(work.__name__, "ended", f"{error!r}")

    threads = [
        threading.Thread(target=run, args=arguments)
        for arguments in zip(HTTP_CLIENTS + GRPC_CLIENTS, range(100), strict=False)
    ]
    for thread in threads:
        thread.start()
    try:
        yield results
    finally:
        results.stop_event.set()
        for thread in threads:
            thread.join()
