"""The program before an upstream that repeats what it was sent: wherever it is told, nobody learns a secret."""

import base64
import contextlib
import json
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import grpc
import pytest
import zstandard
from google.protobuf import json_format

from aggregator.pb.aggregator.v1 import topology_pb2 as pb
from aggregator.pb.aggregator.v1 import topology_pb2_grpc as pb_grpc
from tests.integration import upstream
from tests.integration.process import Gateway, ended, running, until
from tests.server.call import call
from tests.server.exchange import ask
from tests.test_secrets import piece_of

pytestmark = pytest.mark.beside

TOKEN = "tok3n-0123456789-abcdefghij-klmnopqrst-uvwxyz"
NEWER = "n3wer-9876543210-zyxwvutsrq-ponmlkjihg-fedcba"
# So that the cut at 300 characters falls into the token.
BEFORE = "x" * 270 + " "

Said = Callable[[str], bytes]


def refusal(text: str) -> bytes:
    """Return a refusal that gives a text as its reason, and the text once more."""
    return json.dumps({"errorType": "refused", "error": f"{text} in {BEFORE}{text}, and on"}).encode()


def warned(text: str) -> bytes:
    """Return an answer with a text in its warnings and remarks."""
    data = {"resultType": "vector", "result": []}
    said = [f"no {text}", f"{BEFORE}{text}, and on"]
    return json.dumps({"status": "success", "data": data, "warnings": said, "infos": said}).encode()


def named(text: str) -> bytes:
    """Return an answer to any query in which a cluster, its node and that one's labels have a text in their names."""
    labels = {"k8s_cluster_uid": "u", "icos_host_id": f"id {text}", "nodename": f"n {text}", "agent_name": "a"}
    sample = {"metric": labels | {"type": "ocm", "pod": f"<{text}>"}, "value": [1.0, "1"]}
    return json.dumps({"status": "success", "data": {"resultType": "vector", "result": [sample]}}).encode()


def page(text: str) -> bytes:
    """Return what is no answer to a query and has a text at the cut of what is quoted of it."""
    return f"<html>{'x' * 40}{text}</html>".encode()


SAYINGS: dict[str, tuple[int, Said]] = {
    "refuses": (503, refusal),
    "warns": (200, warned),
    "shows a page": (200, page),
}


@contextmanager
def upstreams(sayings: Iterable[str], asked: list[str], heard: Said = str.encode) -> Iterator[list[str]]:
    """Run an upstream for each saying, which repeats what `heard` makes of what it was sent; give their hosts."""
    with contextlib.ExitStack() as stack:
        hosts = []
        for saying in sayings:
            status, said = (SAYINGS | {"names objects": (200, named)})[saying]
            host, each = stack.enter_context(
                upstream.repeating(status, lambda sent, said=said: said(heard(sent).decode()))  # type: ignore[misc] # the default is said's own
            )
            stack.callback(lambda each=each: asked.extend(each))  # type: ignore[misc] # as above
            hosts.append(host)
        yield hosts


@contextmanager
def told(folder: Path, addresses: Iterable[str], **settings: str) -> Iterator[tuple[Gateway, Callable[[], str]]]:
    """Run a gateway on upstreams; give it, and what returns all that it tells of them, to whoever can ask."""
    listed = ",".join(f"http://{address}" for address in addresses)
    with running(folder, PROMETHEUS_ADDRESS=listed, LOG_LEVEL="debug", REFRESH_INTERVAL="1", **settings) as started:
        assert started.http

        until(lambda: refreshes(started), "a refresh", 60)

        def everything() -> str:
            answers = [ask(started.http, path) for path in ("/", "/readyz", "/api/v1/quality", "/api/v1/topology")]
            shown = [f"{answer.headers} {answer.body.decode()}" for answer in answers]
            reply = call(started.grpc)
            return "\n".join((*shown, f"{reply.details} {reply.trailing}", quality(started.grpc), started.log))

        yield started, everything


def refreshes(gateway: Gateway) -> int:
    """Return how many refreshes were told of so far."""
    return len(gateway.events("refreshed") + gateway.events("refresh failed"))


def quality(port: int) -> str:
    """Return what gRPC tells of the last refresh."""
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        stub = pb_grpc.TopologyServiceStub(channel)  # type: ignore[no-untyped-call] # generated without types
        return json_format.MessageToJson(stub.GetQuality(pb.GetQualityRequest(), timeout=10), ensure_ascii=False)


@pytest.mark.parametrize("sayings", [("refuses", "shows a page"), ("warns",)])
def test_a_token_at_a_cut_is_told_by_nobody(tmp_path: Path, sayings: tuple[str, ...]) -> None:
    """Neither the log nor an answer has a part of a token that stands where what the upstream says is cut."""
    asked: list[str] = []
    with (
        upstreams(sayings, asked) as hosts,
        told(tmp_path, hosts, PROMETHEUS_BEARER_TOKEN=TOKEN) as (_, everything),
    ):
        shown = everything()
    assert all(each.endswith(f"Bearer {TOKEN}") for each in asked)
    assert "***" in shown
    assert not piece_of(TOKEN, shown)


def test_a_token_as_the_user_is_told_by_nobody(tmp_path: Path) -> None:
    """Neither the log nor an answer has a part of a token that is the user of the address, decoded or as sent."""
    asked: list[str] = []

    def heard(sent: str) -> bytes:
        return f"{base64.b64decode(sent).decode().partition(':')[0]} or {sent}".encode()

    users = (TOKEN, f"{TOKEN}:", f"{TOKEN}:x-oauth-basic")
    with upstreams(SAYINGS, asked, heard) as hosts:
        addresses = [f"{user}@{host}" for user, host in zip(users, hosts, strict=True)]
        with told(tmp_path, addresses) as (_, everything):
            shown = everything()
    sent = {each.rpartition(" ")[2] for each in asked}
    assert sent == {base64.b64encode(user.encode()).decode() for user in (f"{TOKEN}:", f"{TOKEN}:x-oauth-basic")}
    assert "***" in shown
    assert not [found for text in (TOKEN, *sent) if (found := piece_of(text, shown))]


def test_a_token_that_changes_is_told_by_nobody(tmp_path: Path) -> None:
    """Neither the log nor an answer has a part of what the token's file holds, before it changes and afterwards."""
    asked: list[str] = []
    file = tmp_path / "token"
    file.write_text(TOKEN)
    is_newer = threading.Event()

    def heard(sent: str) -> bytes:
        if sent == NEWER:
            is_newer.set()
        # It goes on to repeat the first one.
        return f"{sent} or {TOKEN}".encode()

    with (
        upstreams(SAYINGS, asked, heard) as hosts,
        told(tmp_path, hosts, PROMETHEUS_BEARER_TOKEN_FILE=str(file)) as (started, everything),
    ):
        shown = [everything()]
        (tmp_path / "fresh").write_text(NEWER)
        (tmp_path / "fresh").rename(file)
        assert is_newer.wait(60), "the new token is not sent"
        before = refreshes(started)
        until(lambda: refreshes(started) > before, "it is told of", 60)
        shown.append(everything())
    assert "***" in shown[0]
    assert not [found for text in shown for token in (TOKEN, NEWER) if (found := piece_of(token, text))]


@pytest.mark.parametrize("arguments", [[], ["--mask", "nothing,else"]], ids=["plain", "masked"])
def test_no_recording_holds_a_secret(tmp_path: Path, arguments: list[str]) -> None:
    """Whatever an upstream repeats, be it in a warning or the name of a node, no part of it is in a recording."""
    asked: list[str] = []
    file = tmp_path / "file"
    with upstreams((*SAYINGS, "names objects"), asked) as hosts:
        listed = ",".join(f"http://{host}" for host in hosts)
        done = ended("record", str(file), *arguments, PROMETHEUS_ADDRESS=listed, PROMETHEUS_BEARER_TOKEN=TOKEN)
    assert all(each.endswith(f"Bearer {TOKEN}") for each in asked)
    packed = file.read_bytes()
    with zstandard.ZstdDecompressor().stream_reader(packed, read_across_frames=True) as reader:
        content = reader.readall().decode()
    assert "***" in content
    for text in (packed.decode("latin-1"), content, done.stdout, done.stderr):
        assert not piece_of(TOKEN, text)
    assert ended("show", "--json", PROMETHEUS_ADDRESS=f"replay:{file}").returncode == 0


@pytest.mark.parametrize("command", [["doctor"], ["doctor", "--json"], ["show"]], ids=" ".join)
def test_no_command_prints_a_secret(command: list[str]) -> None:
    """What the doctor and the tree tell of an upstream that repeats what it was sent has no part of it, at any fold."""
    password = "pass word of many words"

    def heard(sent: str) -> bytes:
        return base64.b64decode(sent).partition(b":")[2]

    with upstreams(SAYINGS, [], heard) as hosts:
        user = f"scraper:{password.replace(' ', '%20')}"
        done = ended(*command, PROMETHEUS_ADDRESS=",".join(f"http://{user}@{host}" for host in hosts))
    folded = " ".join(f"{done.stdout} {done.stderr}".split())
    assert "***" in folded
    assert not piece_of(password, folded)


def test_show_hides_its_own_token() -> None:
    """Whoever answers in a gateway's place and repeats the token of the one who asks is quoted without it."""
    with upstream.repeating(500, lambda sent: ("x" * 180 + sent).encode()) as (host, asked):
        done = ended("show", "--url", f"http://{host}", TOKEN=TOKEN)
    assert asked[0].endswith(f"Bearer {TOKEN}")
    assert done.stderr.endswith(f": HTTP 500: {'x' * 180}***\n")
