"""`aggregator doctor --scrape`: which targets of a scrape server fail, and what to do about it."""

import asyncio
from pathlib import Path

from aggregator.cli.doctor.report import DoctorReport, render_report_lines
from aggregator.cli.doctor.scrape_server import ADVICE_BY_REASON, examine_scrape_server
from aggregator.scrape.fetch import FailureReason
from tests.scrape.running_app import RunningScrapeApp, run_scrape_app
from tests.scrape.test_node_endpoints import report


async def examine(app: RunningScrapeApp, token: str = "") -> DoctorReport:
    """Return the report about a running scrape server."""
    return await asyncio.to_thread(examine_scrape_server, app.url, token)


def list_codes(found: DoctorReport) -> list[str]:
    """Return the codes of all problems."""
    return [problem.code for problem in found.problems]


async def test_failing_targets_have_reasons_and_advice(tmp_path: Path) -> None:
    """Each reason is one problem that names the targets; offline nodes are another."""
    async with run_scrape_app(tmp_path) as app:
        assert list_codes(await examine(app)) == ["no-targets"]
        app.write_list("127.0.0.1:8", "127.0.0.1:9", "a:b:c")
        assert list_codes(await examine(app)) == ["never-scraped"]
        await app.get("/metrics")
        await report(app, "host-1")
        app.moved.seconds += 60
        found = await examine(app)
        assert list_codes(found) == ["targets-failing", "targets-failing", "nodes-offline"]
        refused, invalid, offline = found.problems
        assert refused.details == ("127.0.0.1:8: the connection was refused", "127.0.0.1:9: the connection was refused")
        assert "AGENT_HOST" in refused.advice
        assert invalid.message == "1 of 3 targets failed with the reason invalid_address"
        assert offline.details[0].startswith("host-1: last report ")
        lines = list(render_report_lines(found))
        assert lines[1] == f"scrape server: {app.url}"
        assert lines[-1] == "3 problems found"


async def test_a_healthy_scrape_server_has_no_problems(tmp_path: Path) -> None:
    """A server whose targets are all up has no problem."""
    async with run_scrape_app(tmp_path) as app:
        await report(app, "host-1")
        await app.request("PUT", "/api/v1/registrations/host-1/page?ttl=60", b"a 1\n")
        await app.get("/metrics")
        assert (await examine(app)).ok


async def test_a_scrape_server_may_need_a_token(tmp_path: Path) -> None:
    """Without the token of readers, the problem says so; something else at the URL is another problem."""
    async with run_scrape_app(tmp_path, SCRAPE_TOKEN="reader-token") as app:
        (problem,) = (await examine(app)).problems
        assert problem.code == "no-scrape-server"
        assert "set TOKEN" in problem.message
        assert list_codes(await examine(app, "reader-token")) == ["no-targets"]
    (problem,) = examine_scrape_server("http://127.0.0.1:9", "").problems
    assert problem.code == "no-scrape-server"


def test_every_reason_has_advice() -> None:
    """The doctor has advice for each reason of an agent; those of pods are in the detail."""
    assert set(ADVICE_BY_REASON) >= {reason.value for reason in FailureReason} - {"invalid_option"}
