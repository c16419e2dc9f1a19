"""The example service with a real PostgreSQL: the contract of the older service, without its defects."""

import asyncio
import contextlib
import re
import select
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from demo.example_service.settings import SettingsError, load_settings
from demo.gateway import LOOPBACK
from demo.processes import PROJECT
from demo.stack.postgres import PostgresServer
from tests.stack.service import ACCOUNT, TIMEOUT_SECONDS, RunningService, run_example_service

# A page of the older service.
OLDER_PAGE = (Path(__file__).parents[1] / "data/stack/older_rest_api.prom").read_text(encoding="utf-8")
ENTRY: dict[str, Any] = {
    "name": "Ada",
    "dni": "11111111A",
    "lodging": "Hotel Sol",
    "declared_money": 800,
    "flight_number": "AA123",
}
MISSING = object()


def build_entry(**changes: Any) -> dict[str, Any]:
    """Return the body of an immigration entry."""
    return {name: value for name, value in (ENTRY | changes).items() if value is not MISSING}


@pytest.mark.parametrize(
    ("path", "status", "body"),
    [
        ("/", 200, {"message": "hello world", "status": "ok"}),
        (
            "/dni/12345678A",
            200,
            {
                "message": "DNI found in interpol database",
                "dni": {"id": 1, "name": "John Doe", "dni": "12345678A"},
            },
        ),
        ("/dni/x", 404, {"detail": "DNI not found in interpol database"}),
        (
            "/flights/AA123",
            200,
            {
                "message": "Flight found",
                "flight": {
                    "id": 1,
                    "flight_number": "AA123",
                    "airline": "AA",
                    "origin": "JFK",
                    "destination": "LAX",
                    "departure_date": "2023-10-15",
                    "arrival_date": "2023-10-15",
                },
            },
        ),
        ("/flights/x", 404, {"detail": "Flight not found"}),
        ("/nope", 404, {"detail": "Not Found"}),
    ],
)
def test_reads_answer_as_the_older_service(service: RunningService, path: str, status: int, body: Any) -> None:
    """Status and JSON are those of the older service; an unknown path is 404 instead of 500."""
    assert service.request("GET", path) == (status, body)


@pytest.mark.parametrize(
    ("changes", "detail"),
    [
        ({"lodging": None}, "Lodging cannot be null"),
        ({"declared_money": 499.99}, "Insufficient declared money"),
    ],
)
def test_invalid_entries_are_refused(service: RunningService, changes: dict[str, Any], detail: str) -> None:
    """An entry without lodging or money is 400 with the text of the older service."""
    assert service.request("POST", "/immigration", build_entry(**changes)) == (400, {"detail": detail})


def test_an_entry_is_created_once(service: RunningService) -> None:
    """The second entry with the same DNI is 400, and only the first is counted as created."""
    before = service.read_samples()["rest_api_entry_created_total"]
    status, body = service.request("POST", "/immigration", build_entry())
    assert (status, body["message"]) == (201, "Immigration entry created successfully")
    assert service.request("POST", "/immigration", build_entry()) == (
        400,
        {"detail": "DNI already exists in immigration records"},
    )
    assert service.read_samples()["rest_api_entry_created_total"] == before + 1


def test_a_smoke_entry_is_not_stored(service: RunningService) -> None:
    """With `smoke`, the entry is only checked, so that it can be repeated."""
    for _ in range(2):
        body = build_entry(dni="22222222B", smoke=True)
        assert service.request("POST", "/immigration", body) == (201, {"message": "Test passed"})


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "/immigration", build_entry(name=MISSING), 422),
        ("POST", "/immigration", build_entry(name="a\x00b"), 422),
        ("POST", "/immigration", build_entry(declared_money="NaN"), 422),
        ("POST", "/immigration", b"{", 422),
        ("GET", "/dni/%00", None, 422),
        ("PUT", "/dni/x", None, 405),
    ],
)
def test_invalid_requests_are_client_errors(
    service: RunningService, method: str, path: str, body: Any, status: int
) -> None:
    """Requests that the endpoint cannot serve are errors of the client, and each is counted."""
    before = service.read_samples()
    assert service.request(method, path, body)[0] == status
    after = service.read_samples()
    changed = {name for name in after if name.startswith("rest_api_client") and after[name] != before.get(name)}
    assert len(changed) == 1
    assert after["rest_api_requests_total"] == before["rest_api_requests_total"] + 1


def test_requests_are_counted_by_endpoint(service: RunningService) -> None:
    """A request increments the counters and the histogram of its endpoint, and no others."""
    before = service.read_samples()
    service.request("POST", "/immigration", build_entry(smoke=True))
    after = service.read_samples()
    changed = {name: after[name] - before[name] for name in after if after[name] != before.get(name)}
    assert changed.pop("rest_api_request_latency_sum{create_immigration_entry}") > 0
    assert changed == {
        "rest_api_requests_total": 1,
        "rest_api_requests_immigration_total": 1,
        "rest_api_request_latency_count{create_immigration_entry}": 1,
    }


def test_the_metrics_are_those_of_the_older_service(service: RunningService) -> None:
    """Every metric of the older service is there, with its type, its help text and its buckets."""
    page = service.read_page()
    described = set(re.findall(r"^# (?:HELP|TYPE) .*$", OLDER_PAGE, re.MULTILINE))
    assert len(described) > 30
    assert described - set(page.splitlines()) == set()
    pattern = r'^rest_api_request_latency_bucket\{endpoint="check_dni",le="(.*?)"\}'
    assert re.findall(pattern, page, re.MULTILINE) == re.findall(pattern, OLDER_PAGE, re.MULTILINE)
    assert "process_open_fds" in page
    assert "python_info" in page


def test_errors_have_series_from_the_start(service: RunningService) -> None:
    """Before the first error of an endpoint its counter is 0, so that the first error has a rate."""
    assert service.read_samples()["rest_api_server_error_count_total{check_flight}"] == 0


def test_a_slow_request_delays_no_other(service: RunningService) -> None:
    """While /delay waits, other requests are answered, and it is not counted."""
    before = service.read_samples()["rest_api_requests_total"]
    with contextlib.closing(HTTPConnection(LOOPBACK, service.port, timeout=TIMEOUT_SECONDS)) as delayed:
        delayed.request("GET", "/delay")
        assert service.request("GET", "/dni/x")[0] == 404
        assert select.select([delayed.sock], [], [], 0) == ([], [], [])
    assert service.read_samples()["rest_api_requests_total"] == before + 1


def test_an_endpoint_can_be_broken_and_repaired(service: RunningService) -> None:
    """A broken endpoint answers with the status that was asked for, until it is repaired; others are not affected."""
    assert service.request("PUT", "/faults/check_dni?status=503&delay_seconds=0.01") == (204, None)
    assert service.request("GET", "/dni/12345678A") == (503, {"detail": "This endpoint is broken on purpose"})
    assert service.request("GET", "/flights/AA123")[0] == 200
    assert service.request("DELETE", "/faults/check_dni") == (204, None)
    assert service.request("GET", "/dni/12345678A")[0] == 200
    assert service.read_samples()["rest_api_server_error_count_total{check_dni}"] == 1


@pytest.mark.parametrize("query", ["delay_seconds=11", "delay_seconds=nan", "status=200"])
def test_invalid_faults_are_refused(service: RunningService, query: str) -> None:
    """A delay and a status have limits."""
    assert service.request("PUT", f"/faults/check_dni?{query}")[0] == 422
    assert service.request("PUT", "/faults/read_root?status=500")[0] == 422


def test_connections_are_bounded_and_outages_end(postgres: PostgresServer, tmp_path: Path) -> None:
    """Many requests share the connections of the pool; without a free one they are 503, and later they succeed."""
    with run_example_service(tmp_path, postgres.port, POSTGRES_POOL_SIZE="2") as service, ThreadPoolExecutor(8) as pool:
        assert service.request("GET", "/faults/check_dni")[0] == 404

        def request_all() -> set[int]:
            return {status for status, _ in pool.map(lambda _: service.request("GET", "/dni/x"), range(8))}

        async def request_while_locked() -> tuple[set[int], int]:
            connection = await asyncpg.connect(
                host=LOOPBACK,
                port=postgres.port,
                user=ACCOUNT.user,
                password=ACCOUNT.password,
                database=ACCOUNT.database,
            )
            most_waiting = 0
            async with connection.transaction():
                await connection.execute("LOCK TABLE dni IN ACCESS EXCLUSIVE MODE")
                requests = asyncio.create_task(asyncio.to_thread(request_all))
                while not requests.done():
                    await connection.execute("SELECT pg_stat_clear_snapshot()")
                    waiting = await connection.fetchval(
                        "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
                    )
                    most_waiting = max(most_waiting, waiting)
                    await asyncio.wait([requests], timeout=0.05)
            await connection.close()
            return requests.result(), most_waiting

        assert asyncio.run(request_while_locked()) == ({503}, 2)
        assert request_all() == {404}
        assert service.read_samples()["rest_api_server_error_count_total{check_dni}"] == 8


def test_all_invalid_settings_are_reported() -> None:
    """One error names every missing or invalid variable."""
    environment = {"POSTGRES_PORT": "x", "POSTGRES_POOL_SIZE": "51", "EXAMPLE_FAULTS": "yes", "POSTGRES_USER": "u"}
    with pytest.raises(SettingsError) as raised:
        load_settings(environment)
    assert str(raised.value).split("; ") == [
        "POSTGRES_PORT must be a number from 1 to 65535, got x",
        "POSTGRES_DB is missing",
        "POSTGRES_PASSWORD is missing",
        "POSTGRES_POOL_SIZE must be a number from 1 to 50, got 51",
        "EXAMPLE_FAULTS must be off or on, got yes",
    ]


def test_the_service_exits_with_the_problems() -> None:
    """Without settings, the service ends at once with a message."""
    completed = subprocess.run(
        [sys.executable, "-m", "demo.example_service"], cwd=PROJECT, env={}, capture_output=True, text=True, check=False
    )
    assert completed.returncode == 1
    assert completed.stderr.startswith("example service: POSTGRES_DB is missing; ")
