"""The command as it runs: from a recording, from a gateway, and where there is neither."""

import argparse
import contextlib
import http.server
import json
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from aggregator import cli
from aggregator.quality import Quality, QueryResult, RowQuality, SourceAnswer
from aggregator.server.openapi_quality import EXAMPLE
from aggregator.views.quality import render_json as render_quality
from aggregator.views.v1 import render_json
from tests import cases
from tests.recording.tapes import write
from tests.upstreams import cluster

TOKEN = "abc.def.ghi"


def run(environment: Mapping[str, str], *arguments: str) -> int:
    """Run the command in this process."""
    chosen: argparse.Namespace = cli.parser().parse_args(["show", *arguments])
    code: int = chosen.run(chosen, environment)
    return code


def failed(name: str) -> RowQuality:
    """Return what became of a row that one source did not answer."""
    answer = SourceAnswer("p", QueryResult.FAILED, 0.1, "connection refused")
    return RowQuality(name, "", "", "", 0, 0, (), (), (), (answer,))


class Gateway(http.server.BaseHTTPRequestHandler):
    """Answers as a gateway with a token does, as the test says."""

    document = b""
    quality = b""
    refusal = b"not here"
    complete = "true"
    is_dripping = False

    def do_GET(self) -> None:
        """Answer with the document to whoever has the token, at the right path."""
        status, body = 404, self.refusal
        if self.path == "/base/api/v1/topology":
            is_known = self.headers.get("Authorization") == f"Bearer {TOKEN}"
            status, body = (200, self.document) if is_known else (401, b"not authorized")
        if self.path == "/base/api/v1/quality" and self.quality:
            status, body = 200, self.quality
        self.send_response(status)
        self.send_header("X-Topology-Complete", self.complete)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        # Who waits no longer is gone.
        with contextlib.suppress(ConnectionError):
            for piece in (bytes([byte]) for byte in body) if self.is_dripping else (body,):
                self.wfile.write(piece)

    def log_message(self, *_arguments: object) -> None:
        """Say nothing."""


@pytest.fixture
def gateway() -> Iterator[tuple[str, type[Gateway]]]:
    """Serve a document of the test's choice; give the URL and what it is chosen with."""
    handler = type("Chosen", (Gateway,), {})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/base/", handler
        finally:
            server.shutdown()
            thread.join()


def test_a_refresh_of_its_own_is_drawn(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without --url it asks what the settings name, once, and draws that."""
    path = write(tmp_path / "a", [cluster(hosts=["one", "two"])])
    assert run({"PROMETHEUS_ADDRESS": f"replay:{path}"}) == 0
    assert capsys.readouterr().out == "u  ocm  2 nodes, 0 pods\n├─ one\n└─ two\n"


def test_json_is_the_v1_document(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """--json writes what /api/v1/topology would answer."""
    path = write(tmp_path / "a", [cluster(hosts=["one"])])
    assert run({"PROMETHEUS_ADDRESS": f"replay:{path}"}, "--json") == 0
    document = json.loads(capsys.readouterr().out)
    assert [node["name"] for node in document["clusters"][0]["nodes"]] == ["one"]


def test_a_gateway_is_asked_with_the_token(
    gateway: tuple[str, type[Gateway]], capsys: pytest.CaptureFixture[str]
) -> None:
    """--url draws what a gateway shows, with TOKEN as its token, and says when something is missing there."""
    url, chosen = gateway
    chosen.document = render_json(cases.topology("nuvla"), 0.0)
    chosen.complete = "false"
    assert run({"TOKEN": TOKEN}, "--url", url, "--depth", "1") == 0
    told = capsys.readouterr().out
    assert "nuvla" in told
    assert "incomplete:" in told
    assert run({"TOKEN": TOKEN}, "--url", url, "--json") == 0
    assert capsys.readouterr().out.encode() == chosen.document + b"\n"


@pytest.mark.parametrize(
    ("quality", "expected"),
    [
        (
            render_quality(EXAMPLE),
            [
                "refresh: vanished: cluster edge-b with 3 nodes, 20 s ago",
                "memory_free: upstream warning: prometheus:9090: a store is away",
                "memory_free: samples without a place: no node with its labels",
                "uptime: answer of an earlier refresh: prometheus:9090: 10 s old, because no answer within 5 s",
                "uptime: values that cannot be kept: not a number",
                "nodes: samples without a place: belongs to no known cluster",
            ],
        ),
        (
            render_quality(Quality(failure="everything broke", rows=tuple(map(failed, ("a", "b"))))),
            ["refresh: query failed: everything broke", "a: query failed: p: connection refused (2)"],
        ),
        (render_quality(Quality()), ["the gateway says so; its log tells what"]),
        (b"<html>", ["the gateway says so; its log tells what"]),
        (b"", ["the gateway says so; its log tells what"]),
    ],
)
def test_what_is_missing_from_a_gateway_is_told(
    gateway: tuple[str, type[Gateway]], capsys: pytest.CaptureFixture[str], *, quality: bytes, expected: list[str]
) -> None:
    """--url lists what the gateway's quality says is missing; where that is not to be had, its log is pointed to."""
    url, chosen = gateway
    chosen.document, chosen.complete, chosen.quality = render_json(cases.topology("nuvla"), 0.0), "false", quality
    assert run({"TOKEN": TOKEN}, "--url", url, "--depth", "1") == 0
    told = capsys.readouterr().out.splitlines()
    assert [line.strip() for line in told[told.index("incomplete:") + 1 :]] == expected


@pytest.mark.parametrize(
    ("document", "token", "path", "reason"),
    [
        (b"{}", "", "", "it wants a valid token: set TOKEN"),
        (b"{}", "two words", "", "TOKEN is no token"),
        (b"{}", TOKEN, "elsewhere", "HTTP 404: not here"),
        (b"<html>", TOKEN, "", "what it answers is not ours"),
    ],
)
def test_what_is_wrong_with_a_gateway_is_one_line(
    gateway: tuple[str, type[Gateway]],
    capsys: pytest.CaptureFixture[str],
    *,
    document: bytes,
    token: str,
    path: str,
    reason: str,
) -> None:
    """Where a gateway shows nothing the reason is told, the exit code is 1, and the token is not repeated."""
    url, chosen = gateway
    chosen.document = document
    assert run({"TOKEN": token}, "--url", url + path) == 1
    told = capsys.readouterr()
    assert told.out == ""
    assert reason in told.err
    assert len(told.err.splitlines()) == 1
    assert not token or token not in told.err


def test_a_gateway_that_drips_is_not_waited_for(
    gateway: tuple[str, type[Gateway]], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An answer that keeps coming, however slowly, is given up when its time is over."""
    url, chosen = gateway
    chosen.document, chosen.is_dripping = b" " * 20_000, True
    monkeypatch.setattr("aggregator.show.reading.WHOLE_SECONDS", 0.01)
    assert run({"TOKEN": TOKEN}, "--url", url) == 1
    assert capsys.readouterr().err == f"{url}: its answer is not over after 0.01 seconds\n"


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b'{"type":"/docs#unavailable","detail":"no topology yet: too slow"}', "no topology yet: too slow"),
        (b'{"detail":7}', '{"detail":7}'),
        (b'{"error":"gone"}', '{"error":"gone"}'),
        (b'{"detail":"\xff"}', '{"detail":"\ufffd"}'),
        (b"[" * 100_000, "[" * 20),
    ],
)
def test_of_a_problem_document_the_detail_is_told(
    gateway: tuple[str, type[Gateway]], capsys: pytest.CaptureFixture[str], *, body: bytes, said: str
) -> None:
    """What a gateway says for persons is told alone; a body that is no problem document is quoted."""
    url, chosen = gateway
    chosen.refusal = body
    assert run({"TOKEN": TOKEN}, "--url", f"{url}elsewhere") == 1
    assert f"elsewhere: HTTP 404: {said}" in capsys.readouterr().err


def test_where_there_is_nothing_to_show_it_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    """An upstream that is not there, a gateway that is not there, and bad settings have their exit codes."""
    assert run({"PROMETHEUS_ADDRESS": "http://127.0.0.1:9"}) == 1
    assert "no topology: query " in capsys.readouterr().err
    assert run({}, "--url", "http://127.0.0.1:9") == 1
    assert capsys.readouterr().err == "http://127.0.0.1:9: connection refused\n"
    assert run({}) == 2
    assert "PROMETHEUS_ADDRESS: is not set" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["--url", "host:80"], ["--url", "http://u:p4ss@h"], ["--depth", "5"], ["x"]])
def test_arguments_that_make_no_sense_are_refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """A URL that is none, or has a password, and a depth that there is not, are refused with status 2."""
    with pytest.raises(SystemExit) as ended:
        cli.parser().parse_args(["show", *arguments])
    assert ended.value.code == 2
    assert "p4ss" not in capsys.readouterr().err


def test_filters_choose_what_is_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The tree and the JSON have only what filters choose; one that is not understood ends the command with 2."""
    path = write(tmp_path / "a", [cluster(hosts=["one", "two"])])
    environment = {"PROMETHEUS_ADDRESS": f"replay:{path}"}
    assert run(environment, "--nodes", "name=one", "--json") == 0
    assert [node["name"] for node in json.loads(capsys.readouterr().out)["clusters"][0]["nodes"]] == ["one"]
    assert run(environment, "--nodes", "nam=one") == 2
    assert "nearest: name" in capsys.readouterr().err
