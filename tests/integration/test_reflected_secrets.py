"""No output of the gateway contains a secret that an upstream reflects."""

import base64
import contextlib
import json
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import grpc
import pytest
import zstandard
from google.protobuf import json_format

from aggregator.pb.aggregator.v1 import topology_pb2 as pb
from aggregator.pb.aggregator.v1 import topology_pb2_grpc as pb_grpc
from tests.integration import misbehaving_upstreams
from tests.integration.gateway_process import GatewayProcess, run_gateway, run_to_completion, wait_until
from tests.observability.test_redaction import find_leaked_piece
from tests.support.grpc_client import call_method
from tests.support.http_client import send_request

pytestmark = pytest.mark.concurrent

TOKEN = "tok3n-0123456789-abcdefghij-klmnopqrst-uvwxyz"
NEWER_TOKEN = "n3wer-9876543210-zyxwvutsrq-ponmlkjihg-fedcba"
# Makes the truncation at 300 characters fall into the token.
PADDING = "x" * 270 + " "

BodyBuilder = Callable[[str], bytes]


def build_error_body(text: str) -> bytes:
    """Return an error response that contains a text twice."""
    return json.dumps({"errorType": "refused", "error": f"{text} in {PADDING}{text}, and more"}).encode()


def build_warning_body(text: str) -> bytes:
    """Return a query response with a text in its warnings and infos."""
    data = {"resultType": "vector", "result": []}
    texts = [f"no {text}", f"{PADDING}{text}, and more"]
    return json.dumps({"status": "success", "data": data, "warnings": texts, "infos": texts}).encode()


def build_object_body(text: str) -> bytes:
    """Return a query response with a text in the names of a node and a pod."""
    labels = {"k8s_cluster_uid": "u", "icos_host_id": f"id {text}", "nodename": f"n {text}", "agent_name": "a"}
    sample = {"metric": labels | {"type": "ocm", "pod": f"<{text}>"}, "value": [1.0, "1"]}
    return json.dumps({"status": "success", "data": {"resultType": "vector", "result": [sample]}}).encode()


def build_html_page(text: str) -> bytes:
    """Return HTML with a text at the position where quotes of it are truncated."""
    return f"<html>{'x' * 40}{text}</html>".encode()


ECHO_RESPONSES: dict[str, tuple[int, BodyBuilder]] = {
    "error": (503, build_error_body),
    "warnings": (200, build_warning_body),
    "html": (200, build_html_page),
}


def _build_echo(build_body: BodyBuilder, transform: BodyBuilder, request: str) -> bytes:
    return build_body(transform(request).decode())


@contextmanager
def run_echoing_upstreams(
    kinds: Iterable[str], requests: list[str], transform: BodyBuilder = str.encode
) -> Iterator[list[str]]:
    """Run an upstream of each kind that reflects its transformed credentials; yield their addresses."""
    with contextlib.ExitStack() as stack:
        hosts = []
        for kind in kinds:
            status, build_body = (ECHO_RESPONSES | {"objects": (200, build_object_body)})[kind]
            respond = partial(_build_echo, build_body, transform)
            host, upstream_requests = stack.enter_context(misbehaving_upstreams.run_echoing_upstream(status, respond))
            stack.callback(lambda upstream_requests=upstream_requests: requests.extend(upstream_requests))  # type: ignore[misc] # the type of a lambda with a default is not inferred
            hosts.append(host)
        yield hosts


@contextmanager
def run_observed_gateway(
    folder: Path, addresses: Iterable[str], **settings: str
) -> Iterator[tuple[GatewayProcess, Callable[[], str]]]:
    """Run a gateway with upstreams; yield it, and a function that returns all its output."""
    address_list = ",".join(f"http://{address}" for address in addresses)
    # One family of telemetry needs the fewest queries, and each upstream reflects the credentials in each of them.
    with run_gateway(
        folder,
        PROMETHEUS_ADDRESS=address_list,
        TELEMETRY="docker",
        LOG_LEVEL="debug",
        REFRESH_INTERVAL="1",
        **settings,
    ) as gateway:
        assert gateway.http_port

        wait_until(lambda: count_refreshes(gateway), "a refresh", 60)

        def read_output() -> str:
            responses = [
                send_request(gateway.http_port, path)
                for path in ("/", "/readyz", "/api/v1/quality", "/api/v1/topology")
            ]
            outputs = [f"{response.headers} {response.body.decode()}" for response in responses]
            reply = call_method(gateway.grpc_port)
            return "\n".join(
                (
                    *outputs,
                    f"{reply.details} {reply.trailing_metadata}",
                    fetch_quality_json(gateway.grpc_port),
                    gateway.log,
                )
            )

        yield gateway, read_output


def count_refreshes(gateway: GatewayProcess) -> int:
    """Return the number of refreshes in the log."""
    return len(gateway.find_events("refresh succeeded") + gateway.find_events("refresh failed"))


def fetch_quality_json(port: int) -> str:
    """Return the quality of the last refresh over gRPC as JSON."""
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        stub = pb_grpc.TopologyServiceStub(channel)  # type: ignore[no-untyped-call] # generated without types
        return json_format.MessageToJson(stub.GetQuality(pb.GetQualityRequest(), timeout=10), ensure_ascii=False)


@pytest.mark.parametrize("kinds", [("error", "html"), ("warnings",)])
def test_a_truncated_token_is_redacted(tmp_path: Path, kinds: tuple[str, ...]) -> None:
    """Neither the log nor a response contains a part of a token at the position where upstream text is truncated."""
    requests: list[str] = []
    with (
        run_echoing_upstreams(kinds, requests) as hosts,
        run_observed_gateway(tmp_path, hosts, PROMETHEUS_BEARER_TOKEN=TOKEN) as (_, read_output),
    ):
        output = read_output()
    assert all(request.endswith(f"Bearer {TOKEN}") for request in requests)
    assert "***" in output
    assert not find_leaked_piece(TOKEN, output)


def test_a_token_as_user_name_is_redacted(tmp_path: Path) -> None:
    """Neither the log nor a response contains a part of a token in the user name, decoded or as sent."""
    requests: list[str] = []

    def transform(sent: str) -> bytes:
        return f"{base64.b64decode(sent).decode().partition(':')[0]} or {sent}".encode()

    users = (TOKEN, f"{TOKEN}:", f"{TOKEN}:x-oauth-basic")
    with run_echoing_upstreams(ECHO_RESPONSES, requests, transform) as hosts:
        addresses = [f"{user}@{host}" for user, host in zip(users, hosts, strict=True)]
        with run_observed_gateway(tmp_path, addresses) as (_, read_output):
            output = read_output()
    sent = {request.rpartition(" ")[2] for request in requests}
    assert sent == {base64.b64encode(user.encode()).decode() for user in (f"{TOKEN}:", f"{TOKEN}:x-oauth-basic")}
    assert "***" in output
    assert not [piece for text in (TOKEN, *sent) if (piece := find_leaked_piece(text, output))]


def test_a_rotated_token_is_redacted(tmp_path: Path) -> None:
    """Neither the log nor a response contains a part of the old or the new token of a file that changes."""
    requests: list[str] = []
    file = tmp_path / "token"
    file.write_text(TOKEN)
    new_token_sent = threading.Event()

    def transform(sent: str) -> bytes:
        if sent == NEWER_TOKEN:
            new_token_sent.set()
        # It also reflects the first token.
        return f"{sent} or {TOKEN}".encode()

    with (
        run_echoing_upstreams(ECHO_RESPONSES, requests, transform) as hosts,
        run_observed_gateway(tmp_path, hosts, PROMETHEUS_BEARER_TOKEN_FILE=str(file)) as (gateway, read_output),
    ):
        output = [read_output()]
        (tmp_path / "fresh").write_text(NEWER_TOKEN)
        (tmp_path / "fresh").rename(file)
        assert new_token_sent.wait(60), "the new token was not sent"
        before = count_refreshes(gateway)
        wait_until(lambda: count_refreshes(gateway) > before, "another refresh", 60)
        output.append(read_output())
    assert "***" in output[0]
    assert not [piece for text in output for token in (TOKEN, NEWER_TOKEN) if (piece := find_leaked_piece(token, text))]


@pytest.mark.parametrize("arguments", [[], ["--mask", "nothing,else"]], ids=["plain", "masked"])
def test_recordings_contain_no_reflected_token(tmp_path: Path, arguments: list[str]) -> None:
    """No part of a token that an upstream reflects, in errors, warnings or names, is in a recording."""
    requests: list[str] = []
    file = tmp_path / "file"
    with run_echoing_upstreams((*ECHO_RESPONSES, "objects"), requests) as hosts:
        address_list = ",".join(f"http://{host}" for host in hosts)
        completed = run_to_completion(
            "record", str(file), *arguments, PROMETHEUS_ADDRESS=address_list, PROMETHEUS_BEARER_TOKEN=TOKEN
        )
    assert all(request.endswith(f"Bearer {TOKEN}") for request in requests)
    compressed = file.read_bytes()
    with zstandard.ZstdDecompressor().stream_reader(compressed, read_across_frames=True) as reader:
        content = reader.readall().decode()
    assert "***" in content
    for text in (compressed.decode("latin-1"), content, completed.stdout, completed.stderr):
        assert not find_leaked_piece(TOKEN, text)
    assert run_to_completion("show", "--json", PROMETHEUS_ADDRESS=f"replay:{file}").returncode == 0


@pytest.mark.parametrize("command", [["doctor"], ["doctor", "--json"], ["show"]], ids=" ".join)
def test_commands_print_no_reflected_password(command: list[str]) -> None:
    """The output of `doctor` and `show` contains no part of a reflected password, even across line breaks."""
    password = "pass word of many words"

    def transform(sent: str) -> bytes:
        return base64.b64decode(sent).partition(b":")[2]

    with run_echoing_upstreams(ECHO_RESPONSES, [], transform) as hosts:
        user = f"scraper:{password.replace(' ', '%20')}"
        completed = run_to_completion(*command, PROMETHEUS_ADDRESS=",".join(f"http://{user}@{host}" for host in hosts))
    text = " ".join(f"{completed.stdout} {completed.stderr}".split())
    assert "***" in text
    assert not find_leaked_piece(password, text)


def test_show_redacts_its_own_token() -> None:
    """`show` redacts its own token in an error that a server reflects."""
    with misbehaving_upstreams.run_echoing_upstream(500, lambda sent: ("x" * 180 + sent).encode()) as (host, requests):
        completed = run_to_completion("show", "--url", f"http://{host}", TOKEN=TOKEN)
    assert requests[0].endswith(f"Bearer {TOKEN}")
    assert completed.stderr.endswith(f": HTTP 500: {'x' * 180}***\n")
