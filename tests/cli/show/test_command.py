"""`aggregator show` with a recording, with a gateway, and with neither."""

import argparse
import http.server
import io
import json
import re
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from aggregator.cli import main
from aggregator.cli.show.command import watch_topology
from aggregator.cli.terminal import CommandOutput
from aggregator.models.quality import OmittedSamples, Quality, QueryResult, RowQuality, SourceReport
from aggregator.models.topology import Topology
from aggregator.server.openapi.examples import QUALITY_EXAMPLE
from aggregator.views.v1_format import render_quality_json as render_quality
from aggregator.views.v1_format import render_v1_json
from tests.querier.recording.recordings import write_recording
from tests.support import parity_cases
from tests.support.fake_upstream import build_cluster_responses
from tests.support.scripted_server import build_sending_script, run_scripted_server

TOKEN = "abc.def.ghi"


def run_command(environment: Mapping[str, str], *arguments: str) -> int:
    """Run the command in this process."""
    parsed: argparse.Namespace = main.build_parser().parse_args(["show", *arguments])
    code: int = parsed.run(parsed, environment)
    return code


def build_failed_row(name: str, error: str = "connection refused") -> RowQuality:
    """Return the quality of a row whose query failed on its only source."""
    report = SourceReport("p", QueryResult.FAILED, 0.1, error)
    return RowQuality(name, "", "", "", 0, 0, (), (), (), (report,))


def build_unplaced_row(name: str) -> RowQuality:
    """Return the quality of a row with two samples that match no node."""
    return RowQuality(name, "", "", "", 2, 0, (OmittedSamples("no node with its labels", 2),), (), (), ())


class FakeGateway(http.server.BaseHTTPRequestHandler):
    """A gateway that requires a token; a test sets its responses."""

    document = b""
    quality = b""
    refusal = b"not here"
    complete = "true"
    age = "4"

    def do_GET(self) -> None:
        """Return the document or the quality report to requests with the token."""
        status, body = 404, self.refusal
        if self.path == "/base/api/v1/topology":
            is_known = self.headers.get("Authorization") == f"Bearer {TOKEN}"
            status, body = (200, self.document) if is_known else (401, b"not authorized")
        if self.path == "/base/api/v1/quality" and self.quality:
            status, body = 200, self.quality
        self.send_response(status)
        self.send_header("X-Topology-Complete", self.complete)
        self.send_header("Age", self.age)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_arguments: object) -> None:
        """Log nothing."""


@pytest.fixture
def gateway() -> Iterator[tuple[str, type[FakeGateway]]]:
    """Run the gateway; yield its URL and the class with its responses."""
    handler = type("Chosen", (FakeGateway,), {})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/base/", handler
        finally:
            server.shutdown()
            thread.join()


def test_without_a_url_one_refresh_is_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without --url the command runs one refresh and prints its topology."""
    path = write_recording(tmp_path / "a", [build_cluster_responses(hosts=["one", "two"])])
    assert run_command({"PROMETHEUS_ADDRESS": f"replay:{path}"}) == 0
    assert capsys.readouterr().out == (
        f"u  ocm  2 nodes, 0 pods\n├─ one\n└─ two\n\n1 cluster, 2 nodes, 0 pods, from the recording {path}\n"
    )


def test_json_is_the_v1_document(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """--json prints the document of /api/v1/topology."""
    path = write_recording(tmp_path / "a", [build_cluster_responses(hosts=["one"])])
    assert run_command({"PROMETHEUS_ADDRESS": f"replay:{path}"}, "--json") == 0
    document = json.loads(capsys.readouterr().out)
    assert [node["name"] for node in document["clusters"][0]["nodes"]] == ["one"]


def test_a_gateway_gets_the_token(gateway: tuple[str, type[FakeGateway]], capsys: pytest.CaptureFixture[str]) -> None:
    """--url fetches the topology with the token in TOKEN, and reports if it is incomplete."""
    url, responses = gateway
    responses.document = render_v1_json(parity_cases.build_case_topology("nuvla"), 0.0)
    responses.complete = "false"
    assert run_command({"TOKEN": TOKEN}, "--url", url, "--depth", "1") == 0
    captured = capsys.readouterr().out
    assert "nuvla" in captured
    assert "incomplete:" in captured
    assert run_command({"TOKEN": TOKEN}, "--url", url, "--json") == 0
    assert capsys.readouterr().out.encode() == responses.document + b"\n"


@pytest.mark.parametrize(
    ("quality", "expected"),
    [
        (
            render_quality(QUALITY_EXAMPLE),
            [
                "vanished: cluster edge-b with 3 nodes, 20 s ago",
                "contradiction: 10.0.0.7 in cluster edge-b has several values of name: raspberrypi and raspberrypi-2",
                "stale response: prometheus:9090: 10 s old, because no response before the refresh timed out (uptime)",
                "upstream warning: prometheus:9090: a store did not respond (memory_free)",
                "unplaced: no node matches its labels (1 sample of memory_free)",
                "dropped: not a number (1 sample of uptime)",
                "unplaced: belongs to no known cluster (1 node)",
            ],
        ),
        (
            render_quality(Quality(failure="everything broke", rows=tuple(map(build_failed_row, ("a", "b"))))),
            ["refresh failed: everything broke", "query failed: p: connection refused (a, b)"],
        ),
        (
            render_quality(
                Quality(failure="query a: p: connection refused", rows=tuple(map(build_failed_row, ("a", "b"))))
            ),
            ["refresh failed: query a: p: connection refused"],
        ),
        (
            render_quality(
                Quality(
                    rows=(
                        build_failed_row("a"),
                        *(build_failed_row(name, "not sent: connection refused") for name in "bcd"),
                    )
                )
            ),
            ["query failed: p: connection refused (all 4 queries)"],
        ),
        (
            render_quality(
                Quality(
                    rows=(
                        *map(build_unplaced_row, ("cpu_count", "memory_free", "uptime", "engine", "temperature")),
                        build_failed_row("a"),
                    )
                )
            ),
            [
                "query failed: p: connection refused (a)",
                "unplaced: no node with its labels (10 samples of cpu_count, memory_free, uptime and 2 more)",
            ],
        ),
        (render_quality(Quality()), ["the gateway does not say what is missing; see its log"]),
        (b"<html>", ["the gateway does not say what is missing; see its log"]),
        (b"", ["the gateway does not say what is missing; see its log"]),
    ],
)
def test_gaps_of_a_gateway_are_listed(
    gateway: tuple[str, type[FakeGateway]], capsys: pytest.CaptureFixture[str], *, quality: bytes, expected: list[str]
) -> None:
    """--url lists each gap in the quality report of the gateway once; without a report, it refers to the log."""
    url, responses = gateway
    responses.document, responses.complete, responses.quality = (
        render_v1_json(parity_cases.build_case_topology("nuvla"), 0.0),
        "false",
        quality,
    )
    assert run_command({"TOKEN": TOKEN}, "--url", url, "--depth", "1") == 0
    captured = capsys.readouterr().out.splitlines()
    assert [line.strip() for line in captured[captured.index("incomplete:") + 1 : -2]] == expected


def test_the_age_of_the_topology_is_printed(
    gateway: tuple[str, type[FakeGateway]], capsys: pytest.CaptureFixture[str]
) -> None:
    """The last line has the totals, the age in the header of the gateway, and its address."""
    url, responses = gateway
    responses.document, responses.age = render_v1_json(parity_cases.build_case_topology("nuvla"), 0.0), "75"
    assert run_command({"TOKEN": TOKEN}, "--url", url, "--depth", "1") == 0
    assert re.search(rf"\n2 clusters, 3 nodes, 3 pods, 1 min old, from {url}\n$", capsys.readouterr().out)
    responses.age = "soon"
    assert run_command({"TOKEN": TOKEN}, "--url", url, "--depth", "1") == 0
    assert " old" not in capsys.readouterr().out


@pytest.mark.parametrize(("complete", "code"), [("true", 0), ("false", 1)])
def test_an_empty_topology_is_a_failure_if_data_is_missing(
    gateway: tuple[str, type[FakeGateway]], capsys: pytest.CaptureFixture[str], *, complete: str, code: int
) -> None:
    """An empty topology is exit code 1 if data is missing, and names the command that explains it."""
    url, responses = gateway
    responses.document, responses.complete = render_v1_json(Topology(), 0.0), complete
    assert run_command({"TOKEN": TOKEN}, "--url", url) == code
    printed = capsys.readouterr().out
    assert printed.startswith("no clusters\n")
    assert f"\nto find out why, run: aggregator doctor --url {url}\n" in printed


def test_a_port_that_is_not_http(capsys: pytest.CaptureFixture[str]) -> None:
    """A port that answers with HTTP/2, as gRPC does, is named as such."""
    with run_scripted_server(build_sending_script(b"\x00\x00\x12\x04\x00\x00\x00\x00\x00\r\n\r\n")) as server:
        assert run_command({}, "--url", server.url) == 1
    assert capsys.readouterr().err.endswith("; is it the gRPC port of the gateway?\n")


def test_watch_draws_until_it_is_interrupted(
    gateway: tuple[str, type[FakeGateway]], capsys: pytest.CaptureFixture[str]
) -> None:
    """--watch draws after each pause, also after a failure, and ends with Ctrl-C."""
    url, responses = gateway
    pauses: list[float] = []
    codes: list[int] = []

    def draw() -> int:
        codes.append(run_command({"TOKEN": TOKEN if len(codes) != 1 else ""}, "--url", url, "--depth", "1"))
        return codes[-1]

    def sleep(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 3:
            raise KeyboardInterrupt

    responses.document = render_v1_json(parity_cases.build_case_topology("nuvla"), 0.0)
    with pytest.raises(KeyboardInterrupt):
        watch_topology(draw, 7.0, CommandOutput(io.StringIO()), sleep)
    assert (pauses, codes) == ([7.0, 7.0, 7.0], [0, 1, 0])
    assert capsys.readouterr().out.count("2 clusters") == 2


def test_watch_ends_with_invalid_settings(capsys: pytest.CaptureFixture[str]) -> None:
    """Invalid settings and filters, which do not change, end --watch with exit code 2."""
    assert run_command({}, "--watch") == 2
    assert run_command({}, "--watch", "7", "--url", "http://127.0.0.1:9", "--nodes", "nam=one") == 2
    assert "did you mean name" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("document", "token", "path", "reason"),
    [
        (b"{}", "", "", "a token is required: set TOKEN"),
        (b"{}", "two words", "", "TOKEN must be one word of ASCII characters, without the word Bearer"),
        (b"{}", TOKEN, "elsewhere", "HTTP 404: not here"),
        (b"<html>", TOKEN, "", "GET /api/v1/topology: the response is not a v1 topology document"),
    ],
)
def test_a_failing_gateway_is_one_line(
    gateway: tuple[str, type[FakeGateway]],
    capsys: pytest.CaptureFixture[str],
    *,
    document: bytes,
    token: str,
    path: str,
    reason: str,
) -> None:
    """A gateway without a topology is exit code 1 and one line with the reason, without the token."""
    url, responses = gateway
    responses.document = document
    assert run_command({"TOKEN": token}, "--url", url + path) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert reason in captured.err
    assert len(captured.err.splitlines()) == 1
    assert not token or token not in captured.err


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        (b'{"type":"/docs#unavailable","detail":"no topology yet: too slow"}', "no topology yet: too slow"),
        (b'{"detail":7}', '{"detail":7}'),
        (b'{"error":"gone"}', '{"error":"gone"}'),
        (b'{"detail":"\xff"}', '{"detail":"\ufffd"}'),
        (b"[" * 100_000, "[" * 20),
    ],
)
def test_the_detail_of_a_problem_document_is_printed(
    gateway: tuple[str, type[FakeGateway]], capsys: pytest.CaptureFixture[str], *, body: bytes, detail: str
) -> None:
    """The detail of a problem document is printed alone; any other body is quoted."""
    url, responses = gateway
    responses.refusal = body
    assert run_command({"TOKEN": TOKEN}, "--url", f"{url}elsewhere") == 1
    assert f"elsewhere: HTTP 404: {detail}" in capsys.readouterr().err


def test_failures_have_exit_codes(capsys: pytest.CaptureFixture[str]) -> None:
    """An unreachable upstream or gateway is exit code 1, invalid settings are exit code 2."""
    assert run_command({"PROMETHEUS_ADDRESS": "http://127.0.0.1:9"}) == 1
    assert "refresh failed: query " in capsys.readouterr().err
    assert run_command({}, "--url", "http://127.0.0.1:9") == 1
    assert capsys.readouterr().err == "http://127.0.0.1:9: connection refused\n"
    assert run_command({}) == 2
    assert "PROMETHEUS_ADDRESS: is not set" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        ["--url", "host:80"],
        ["--url", "http://u:p4ss@h"],
        ["--depth", "5"],
        ["x"],
        ["--watch", "0"],
        ["--watch", "1e9"],
        ["--watch", "--json"],
    ],
)
def test_invalid_arguments_are_errors(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Invalid arguments, such as a URL with a password, are exit code 2."""
    with pytest.raises(SystemExit) as ended:
        main.build_parser().parse_args(["show", *arguments])
    assert ended.value.code == 2
    assert "p4ss" not in capsys.readouterr().err


def test_filters_apply_to_tree_and_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Tree and JSON contain only matching objects; an invalid filter is exit code 2."""
    path = write_recording(tmp_path / "a", [build_cluster_responses(hosts=["one", "two"])])
    environment = {"PROMETHEUS_ADDRESS": f"replay:{path}"}
    assert run_command(environment, "--nodes", "name=one", "--json") == 0
    assert [node["name"] for node in json.loads(capsys.readouterr().out)["clusters"][0]["nodes"]] == ["one"]
    assert run_command(environment, "--nodes", "nam=one") == 2
    assert "did you mean name" in capsys.readouterr().err
