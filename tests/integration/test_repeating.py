"""The program before an upstream that repeats what it was sent: wherever it is told, nobody learns a secret."""

import base64
import json
from collections.abc import Callable, Iterator
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


SAYINGS = {"refuses": (503, refusal), "warns": (200, warned), "shows a page": (200, page)}


@contextmanager
def told(folder: Path, host: str, **settings: str) -> Iterator[tuple[Gateway, Callable[[], str]]]:
    """Run a gateway on an upstream; give it, and what returns all that it tells of it, to whoever can ask."""
    at = {"PROMETHEUS_ADDRESS": f"http://{host}", "LOG_LEVEL": "debug", "REFRESH_INTERVAL": "1"} | settings
    with running(folder, **at) as started:

        def refreshed() -> bool:
            return bool(started.events("refreshed") or started.events("refresh failed"))

        until(refreshed, "a refresh")

        def everything() -> str:
            answers = [ask(started.http, path) for path in ("/", "/readyz", "/api/v1/quality", "/api/v1/topology")]
            shown = [f"{answer.headers} {answer.body.decode()}" for answer in answers]
            reply = call(started.grpc)
            return "\n".join((*shown, f"{reply.details} {reply.trailing}", quality(started.grpc), started.log))

        yield started, everything


def quality(port: int) -> str:
    """Return what gRPC tells of the last refresh."""
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        stub = pb_grpc.TopologyServiceStub(channel)  # type: ignore[no-untyped-call] # generated without types
        return json_format.MessageToJson(stub.GetQuality(pb.GetQualityRequest(), timeout=10), ensure_ascii=False)


@pytest.mark.parametrize("saying", SAYINGS)
def test_a_token_at_a_cut_is_told_by_nobody(tmp_path: Path, saying: str) -> None:
    """Neither the log nor an answer has a part of a token that stands where what the upstream says is cut."""
    status, said = SAYINGS[saying]
    with (
        upstream.repeating(status, said) as (host, asked),
        told(tmp_path, host, PROMETHEUS_BEARER_TOKEN=TOKEN) as (_, everything),
    ):
        shown = everything()
    assert asked[0].endswith(f"Bearer {TOKEN}")
    assert "***" in shown
    assert not piece_of(TOKEN, shown)


@pytest.mark.parametrize("userinfo", ["{}", "{}:", "{}:x-oauth-basic"])
@pytest.mark.parametrize("saying", SAYINGS)
def test_a_token_as_the_user_is_told_by_nobody(tmp_path: Path, saying: str, userinfo: str) -> None:
    """Neither the log nor an answer has a part of a token that is the user of the address, decoded or as sent."""
    status, said = SAYINGS[saying]

    def written(sent: str) -> bytes:
        return said(f"{base64.b64decode(sent).decode().partition(':')[0]} or {sent}" if sent else "nobody")

    with (
        upstream.repeating(status, written) as (host, asked),
        told(tmp_path, f"{userinfo.format(TOKEN)}@{host}") as (_, everything),
    ):
        shown = everything()
    sent = base64.b64encode(f"{userinfo.format(TOKEN)}{'' if ':' in userinfo else ':'}".encode()).decode()
    assert asked[0].endswith(f"Basic {sent}")
    assert not piece_of(TOKEN, shown)
    assert not piece_of(sent, shown)


@pytest.mark.parametrize("saying", SAYINGS)
def test_a_token_that_changes_is_told_by_nobody(tmp_path: Path, saying: str) -> None:
    """Neither the log nor an answer has a part of what the token's file holds, before it changes and afterwards."""
    status, said = SAYINGS[saying]
    file = tmp_path / "token"
    file.write_text(TOKEN)
    # It goes on to repeat the first one.
    with (
        upstream.repeating(status, lambda sent: said(f"{sent} or {TOKEN}")) as (host, asked),
        told(tmp_path, host, PROMETHEUS_BEARER_TOKEN_FILE=str(file)) as (started, everything),
    ):
        shown = [everything()]
        (tmp_path / "fresh").write_text(NEWER)
        (tmp_path / "fresh").rename(file)
        until(lambda: asked[-1].endswith(f"Bearer {NEWER}"), "the new token is sent")
        lines = len(started.lines())
        until(lambda: len(started.lines()) > lines + 1, "it is told of")
        shown.append(everything())
    assert "***" in shown[0]
    assert not [found for text in shown for token in (TOKEN, NEWER) if (found := piece_of(token, text))]


@pytest.mark.parametrize("saying", [*SAYINGS, "names objects"])
@pytest.mark.parametrize("arguments", [[], ["--mask", "nothing,else"]])
def test_no_recording_holds_a_secret(tmp_path: Path, saying: str, arguments: list[str]) -> None:
    """Whatever an upstream repeats, be it in a warning or the name of a node, no part of it is in a recording."""
    status, said = {**SAYINGS, "names objects": (200, named)}[saying]
    file = tmp_path / "file"
    with upstream.repeating(status, said) as (host, asked):
        done = ended(
            "record", str(file), *arguments, PROMETHEUS_ADDRESS=f"http://{host}", PROMETHEUS_BEARER_TOKEN=TOKEN
        )
    assert any(TOKEN in each for each in asked)
    packed = file.read_bytes()
    with zstandard.ZstdDecompressor().stream_reader(packed, read_across_frames=True) as reader:
        content = reader.readall().decode()
    assert "***" in content or arguments
    for text in (packed.decode("latin-1"), content, done.stdout, done.stderr):
        assert not piece_of(TOKEN, text)
    replayed = ended("show", "--json", PROMETHEUS_ADDRESS=f"replay:{file}")
    assert (replayed.returncode == 0) is (saying in ("warns", "names objects"))


@pytest.mark.parametrize("saying", SAYINGS)
@pytest.mark.parametrize("command", [["doctor"], ["doctor", "--json"], ["show"]])
def test_no_command_prints_a_secret(saying: str, command: list[str]) -> None:
    """What the doctor and the tree tell of an upstream that repeats what it was sent has no part of it, at any fold."""
    status, said = SAYINGS[saying]
    password = "pass word of many words"

    def written(sent: str) -> bytes:
        return said(base64.b64decode(sent).decode().partition(":")[2] if sent else "nobody")

    with upstream.repeating(status, written) as (host, _asked):
        address = f"http://scraper:{password.replace(' ', '%20')}@{host}"
        done = ended(*command, PROMETHEUS_ADDRESS=address)
    folded = " ".join(f"{done.stdout} {done.stderr}".split())
    # Before an upstream that does not tell the time the doctor asks nothing more.
    assert "***" in folded or (saying, command[0]) == ("warns", "doctor")
    assert not piece_of(password, folded)


def test_show_hides_its_own_token() -> None:
    """Whoever answers in a gateway's place and repeats the token of the one who asks is quoted without it."""
    with upstream.repeating(500, lambda sent: ("x" * 180 + sent).encode()) as (host, asked):
        done = ended("show", "--url", f"http://{host}", TOKEN=TOKEN)
    assert asked[0].endswith(f"Bearer {TOKEN}")
    assert done.stderr.endswith(f": HTTP 500: {'x' * 180}***\n")
