"""`aggregator doctor --url`: findings from the quality report of a running gateway."""

import contextlib
import json
import socket
from collections.abc import Iterator
from dataclasses import replace

import pytest

from aggregator.cli import main
from aggregator.cli.doctor.gateway import examine_gateway
from aggregator.models.builder.merge import ENDED_REASON, SUPERSEDED_REASON
from aggregator.models.quality import OmittedSamples, Quality, QueryResult, RowQuality, SourceReport
from aggregator.models.topology import Topology
from aggregator.server.openapi.examples import QUALITY_EXAMPLE
from aggregator.views.v1_format import render_quality_json, render_v1_json
from tests.support import parity_cases
from tests.support.scripted_server import (
    ReceivedRequest,
    ScriptedServer,
    build_http_response,
    run_scripted_server,
)

TOKEN = "abc.def.ghi"


def build_row(
    name: str, exporter: str, samples: int, *unplaced: OmittedSamples, error: str | None = None
) -> RowQuality:
    """Return the quality of a row at one source."""
    result = QueryResult.OK if error is None else QueryResult.FAILED
    report = SourceReport("eu", result, 0.1, error=error, samples=samples)
    return RowQuality(name, "", exporter, "", samples, samples, unplaced, (), (), (report,))


def build_conflict(reason: str) -> RowQuality:
    """Return the quality of a row that left out a sample for a reason."""
    return replace(build_row("container_memory_by_cadvisor", "cAdvisor", 1), conflicts=(OmittedSamples(reason, 1),))


HEALTHY = Quality(
    refresh_seconds=1795208230.5,
    refresh_duration_seconds=0.25,
    complete=True,
    totals=QUALITY_EXAMPLE.totals,
    rows=(
        build_row("memory_free", "node_exporter, collector meminfo", 2),
        build_row("nodes_by_kubernetes", "kube-state-metrics", 2),
        build_row("container_memory", "cAdvisor", 2),
    ),
)


@contextlib.contextmanager
def run_fake_gateway(quality: bytes, topology: Topology | None) -> Iterator[str]:
    """Run a gateway that requires a token, with these documents; yield its URL."""
    pages = {"/api/v1/quality": build_http_response(quality)}
    if topology is not None:
        pages["/api/v1/topology"] = build_http_response(render_v1_json(topology, 0.0))

    def script(connection: socket.socket, request: ReceivedRequest, _running: ScriptedServer) -> None:
        is_known = request.headers.get("authorization") == f"Bearer {TOKEN}"
        unavailable = build_http_response(b"{}", "503 Service Unavailable")
        refused = build_http_response(b"{}", "401 Unauthorized")
        connection.sendall(pages.get(request.path, unavailable) if is_known else refused)

    with run_scripted_server(script) as server:
        yield server.url


@pytest.mark.parametrize(
    ("quality", "codes"),
    [
        (HEALTHY, []),
        (replace(HEALTHY, vanished=("cluster edge-b with 3 nodes, 20 s ago",)), ["vanished"]),
        (replace(HEALTHY, failure="query nodes: connection refused"), ["refresh-failed"]),
        (replace(HEALTHY, unavailable="too old", failure="query nodes: connection refused"), ["no-topology"]),
        (
            replace(HEALTHY, rows=(*HEALTHY.rows, build_row("uptime", "x", 0, error="HTTP 503"))),
            ["queries-failed"],
        ),
        (
            replace(HEALTHY, rows=(*HEALTHY.rows, build_row("uptime", "x", 1, OmittedSamples("no node", 1)))),
            ["samples-without-place"],
        ),
        (replace(HEALTHY, rows=(*HEALTHY.rows, build_conflict("memory_bytes"))), ["contradictions"]),
        (replace(HEALTHY, rows=(*HEALTHY.rows, build_conflict(SUPERSEDED_REASON))), []),
        (replace(HEALTHY, rows=(*HEALTHY.rows, build_conflict(ENDED_REASON))), []),
        (replace(HEALTHY, rows=HEALTHY.rows[:2]), []),
        (replace(HEALTHY, rows=(*HEALTHY.rows[1:], build_row("a", "node_exporter", 0))), ["exporter-missing"]),
        (replace(HEALTHY, rows=(build_row("uptime", "node_exporter", 0),)), ["empty"]),
        (Quality(failure="everything broke", unavailable="everything broke"), ["no-topology"]),
    ],
)
def test_problems_come_from_the_quality_report(quality: Quality, codes: list[str]) -> None:
    """Failures, disappearances, missing and conflicting samples are problems; outdated samples are not."""
    topology = None if quality.unavailable else parity_cases.build_case_topology("ocm-two-clusters")
    with run_fake_gateway(render_quality_json(quality), topology) as url:
        report = examine_gateway(url, TOKEN)
    assert [problem.code for problem in report.problems] == codes
    assert report.ok is (not codes)
    assert (report.gateway, report.notes[0].code) == (url, "gateway")


@pytest.mark.parametrize(
    ("token", "quality", "message"),
    [
        ("", b"{}", "GET /api/v1/quality: a token is required: set TOKEN"),
        ("x", b"{}", "GET /api/v1/quality: the gateway rejected the token in TOKEN"),
        (TOKEN, b"<html>", "GET /api/v1/quality: the response is not a v1 quality document"),
    ],
)
def test_a_gateway_without_a_report_is_the_problem(token: str, quality: bytes, message: str) -> None:
    """If there is no quality report, the reason is the only problem."""
    with run_fake_gateway(quality, None) as url:
        (problem,) = examine_gateway(url, token).problems
    assert (problem.code, problem.message) == ("no-gateway", message)


def test_no_setting_is_needed(capsys: pytest.CaptureFixture[str]) -> None:
    """With --url, only TOKEN is read; the exit code is 0 without problems, and 1 with problems."""
    topology = parity_cases.build_case_topology("ocm-two-clusters")
    with run_fake_gateway(render_quality_json(HEALTHY), topology) as url:
        arguments = main.build_parser().parse_args(["doctor", "--url", url])
        assert arguments.run(arguments, {"TOKEN": TOKEN}) == 0
        text = capsys.readouterr().out
        assert arguments.run(arguments, {"TOKEN": "sw0rdfish-sw0rdfish"}) == 1
        assert "sw0rdfish" not in capsys.readouterr().out
        arguments = main.build_parser().parse_args(["doctor", "--json", "--url", url])
        assert arguments.run(arguments, {"TOKEN": TOKEN}) == 0
    assert f"\ngateway: {url}\nrefresh: 2 queries in 0.25 s" in text
    assert text.endswith("\nno problems found\n")
    assert json.loads(capsys.readouterr().out)["gateway"] == url
