"""Reports to masters, compared with the recorded request of the old agent."""

import asyncio
import gzip
import json
import ssl
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from aggregator.agent.collect import Collection, ContainerReading
from aggregator.agent.report import MasterReporter, ReportOptions, ReportSource, build_report
from aggregator.docker.facts import EngineContainer, EngineFacts
from tests.agent.conftest import HOST
from tests.support.certificate_authority import CertificateAuthority

GOLDEN = Path(__file__).parents[1] / "data" / "older-programs" / "002_agent_post_body.json"
SOURCE = ReportSource("", "host1", "127.0.0.1:2375", "boot", "http", 5050)
ENGINE = EngineFacts("docker exp", "docker", "1", "", "1.41", "", "", False, 0, 0, 0, ("env=prod", "odd", "two=x=y"))
READINGS = tuple(
    ContainerReading(
        EngineContainer(container_id, name, image, "", labels, "running", "", 0), None, None, None, 0.0, None
    )
    for container_id, name, image, labels in (
        ("8dfafdbc3a40", "web", "nginx:latest", {"com.example": "x"}),
        ("9c", "db", "pg", None),
    )
)
COLLECTION = Collection(ENGINE, READINGS, HOST, 0.1)
NOW = datetime(2026, 11, 20, 20, 25, 31, 402686, UTC)


def test_the_document_is_that_of_the_old_agent() -> None:
    """All keys of the recorded report are in ours, in the same order, with values of the same types."""
    expected: dict[str, Any] = json.loads(GOLDEN.read_text(encoding="utf-8"))
    document = build_report(SOURCE, COLLECTION, 12.5, 1, NOW).document
    assert list(document)[: len(expected)] == list(expected)
    assert document["containers"] == expected["containers"]
    assert document["address"] == expected["address"]
    assert (document["id"], document["name"]) == ("docker exp", "docker exp")
    assert list(document["system"]) == list(expected["system"])
    assert list(document["system"]["memory"]) == list(expected["system"]["memory"])
    assert document["system"] == {
        "cpuLoad": 12.5,
        "memory": {"total": 8_000_000_000, "available": 5_000_000_000, "used": 3_000_000_000},
        "disks": {"/": {"total": 100_000, "used": 40_000}},
        "net": {"eth0": {"bytesOut": 8, "bytesIn": 7}},
    }


def test_time_has_no_zone() -> None:
    """`time` is local time without a zone, with microseconds: old masters parse nothing else."""
    document = build_report(SOURCE, COLLECTION, 0.0, 1, NOW).document
    local = NOW.astimezone().replace(tzinfo=None)
    assert datetime.fromisoformat(document["time"]) == local
    assert document["time"].endswith(".402686")
    assert datetime.fromisoformat(document["timeUtc"]) == NOW


def test_labels_of_the_engine() -> None:
    """Labels are cut at the first `=`; one without it has an empty value. Both stop the old agent."""
    assert build_report(SOURCE, COLLECTION, 0.0, 1).document["labels"] == {"env": "prod", "odd": "", "two": "x=y"}


@pytest.mark.parametrize(
    ("name", "engine", "expected"), [("", None, "host1"), ("n1", ENGINE, "n1"), ("n1", None, "n1")]
)
def test_the_name(name: str, engine: EngineFacts | None, expected: str) -> None:
    """NODE_NAME comes before the name of the Engine, and the name of the host is the last choice."""
    report = build_report(replace(SOURCE, name=name), replace(COLLECTION, engine=engine, containers=()), 0.0, 1)
    assert (report.name, report.document["containers"]) == (expected, [])


def test_a_host_that_was_not_read_is_left_out() -> None:
    """Numbers that could not be read are absent, not 0."""
    assert build_report(SOURCE, replace(COLLECTION, host=None), 3.0, 1).document["system"] == {"cpuLoad": 3.0}


@dataclass
class FakeMaster:
    """A master that answers with these statuses, the last one for ever."""

    statuses: Sequence[int] = (200,)
    headers: dict[str, str] = field(default_factory=dict)
    requests: list[tuple[str, str, dict[str, str], bytes]] = field(default_factory=list)
    port: int = 0

    async def handle(self, request: web.Request) -> web.Response:
        """Answer a request."""
        body = await request.read()
        self.requests.append((request.method, request.raw_path, dict(request.headers), body))
        status = self.statuses[min(len(self.requests), len(self.statuses)) - 1]
        return web.Response(status=status, headers=self.headers)


@pytest.fixture
async def master() -> AsyncIterator[FakeMaster]:
    """A running master."""
    master = FakeMaster()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", master.handle)
    # The body of a page stays compressed.
    runner = web.AppRunner(app, auto_decompress=False)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    master.port = runner.addresses[0][1]
    yield master
    await runner.cleanup()


async def collect() -> Collection:
    """Return the collection of all reports here."""
    return COLLECTION


async def run_reports(
    master: FakeMaster, count: int, options: ReportOptions, **arguments: Any
) -> tuple[list[float], MasterReporter]:
    """Send so many reports; return the pauses after them, and the reporter."""
    pauses: list[float] = []

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == count:
            raise asyncio.CancelledError

    options = replace(options, sleep=sleep, random=lambda: 0.5)
    reporter = MasterReporter(f"http://127.0.0.1:{master.port}", SOURCE, collect, options, **arguments)
    with pytest.raises(asyncio.CancelledError):
        await reporter.run()
    return pauses, reporter


async def test_the_request_is_that_of_the_old_agent(master: FakeMaster) -> None:
    """A report is a POST request with a ttl of two intervals, the secret in X-Auth-Node, and an encoded name."""
    await run_reports(master, 1, ReportOptions(2.0, "s3cret"))
    ((method, path, headers, body),) = master.requests
    assert (method, path) == ("POST", "/discovery/nodes/docker%20exp?ttl=4")
    assert (headers["Content-Type"], headers["X-Auth-Node"]) == ("application/json", "s3cret")
    assert json.loads(body)["sequence"] == 1


async def test_without_a_secret_there_is_no_header(master: FakeMaster) -> None:
    """Without MASTER_SECRET, no X-Auth-Node is sent."""
    await run_reports(master, 1, ReportOptions(60.0))
    assert "X-Auth-Node" not in master.requests[0][2]


async def test_a_failed_report_is_repeated_within_the_ttl(master: FakeMaster) -> None:
    """A failed report is repeated after half an interval, later ones after a whole one. Only 200 is success."""
    master.statuses = (200, 500, 401, 204, 302, 200)
    results: list[bool] = []
    pauses, _ = await run_reports(master, 6, ReportOptions(100.0), record_report=results.append)
    assert [round(pause, -1) for pause in pauses] == [100, 50, 100, 100, 100, 100]
    assert results == [True, False, False, False, False, True]
    assert [json.loads(body)["sequence"] for *_, body in master.requests] == [1, 2, 3, 4, 5, 6]


async def test_a_master_that_is_away_is_a_failure() -> None:
    """A refused connection is a failure like any other."""
    results: list[bool] = []
    pauses, _ = await run_reports(FakeMaster(port=9), 2, ReportOptions(100.0), record_report=results.append)
    assert results == [False, False]
    assert [round(pause, -1) for pause in pauses] == [50, 100]


async def test_farewell_only_to_masters_that_understand_it(master: FakeMaster) -> None:
    """At the end, a master that sends Aggregator-Version gets a DELETE request, an old one nothing."""
    _, reporter = await run_reports(master, 1, ReportOptions(60.0, "s3cret"))
    await reporter.say_farewell()
    assert len(master.requests) == 1
    master.headers["Aggregator-Version"] = "0.1.0"
    _, reporter = await run_reports(master, 1, ReportOptions(60.0, "s3cret"))
    await reporter.say_farewell()
    method, path, headers, _body = master.requests[-1]
    assert (method, path, headers["X-Auth-Node"]) == ("DELETE", "/discovery/nodes/docker%20exp", "s3cret")


async def test_the_page_follows_the_report(master: FakeMaster) -> None:
    """With PUSH_PAGE, the page of the same collection follows each accepted report, compressed."""
    options = ReportOptions(
        60.0, "s3cret", render_page=lambda collection: b"up 1\n" if collection is COLLECTION else b""
    )
    await run_reports(master, 1, options)
    (_report, (method, path, headers, body)) = master.requests
    assert (method, path) == ("PUT", "/api/v1/registrations/docker%20exp/page?ttl=120")
    assert (headers["Content-Encoding"], headers["X-Auth-Node"]) == ("gzip", "s3cret")
    assert gzip.decompress(body) == b"up 1\n"
    master.statuses = (500,)
    await run_reports(master, 1, options)
    assert [method for method, *_ in master.requests] == ["POST", "PUT", "POST"]


async def test_masters_with_tls(tmp_path: Path) -> None:
    """A master with https is verified with REPORT_CA_FILE; without it, its certificate is not accepted."""
    authority = CertificateAuthority()
    for name, contents in zip(("cert.pem", "key.pem"), authority.issue("master"), strict=True):
        (tmp_path / name).write_bytes(contents)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")
    master = FakeMaster()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", master.handle)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    results: list[bool] = []

    async def sleep(_seconds: float) -> None:
        raise asyncio.CancelledError

    for ca in (None, authority.pem.decode()):
        trusted = ssl.create_default_context(cadata=ca) if ca else None
        options = ReportOptions(60.0, ssl_context=trusted, sleep=sleep)
        url = f"https://127.0.0.1:{runner.addresses[0][1]}"
        with pytest.raises(asyncio.CancelledError):
            await MasterReporter(url, SOURCE, collect, options, results.append).run()
    assert results == [False, True]
    await runner.cleanup()
