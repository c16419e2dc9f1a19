"""The checks of the soak test find problems."""

from email.message import Message

import pytest

from tests.server.watch.copies import MessageCopy
from tests.soak import checks
from tests.soak.clients import ClientResults, compare_copy
from tests.soak.results import ScenarioSummary, SoakResults, print_summary
from tests.support.http_client import ClientResponse

METRICS = """\
# TYPE http_requests_total counter
http_requests_total{handler="/",code="200",method="GET"} HTTP
# TYPE grpc_server_started_total counter
grpc_server_started_total{grpc_method="ConnectToQuerier"} STARTED
# TYPE grpc_server_handled_total counter
grpc_server_handled_total{grpc_method="ConnectToQuerier",grpc_code="OK"} HANDLED
"""


def test_a_temporary_peak_is_within_the_limit() -> None:
    """A peak in the middle does not count as growth."""
    assert checks.measure_memory_growth([80.0] * 10 + [300.0] * 10 + [81.0] * 10).is_within_limit


def test_growing_memory_exceeds_the_limit() -> None:
    """Steady growth beyond the limit is a failure."""
    assert not checks.measure_memory_growth([80.0 + step for step in range(60)]).is_within_limit


@pytest.mark.parametrize(
    ("http", "started", "handled", "is_within_limit"),
    [(50, 30, 30, True), (49, 30, 30, False), (50, 30, 29, False), (50, 31, 30, False), (500, 30, 30, False)],
)
def test_counters_must_match_the_clients(http: int, started: int, handled: int, is_within_limit: bool) -> None:
    """All responses must be counted, all calls handled, and not many more requests counted than clients sent."""
    results = ClientResults(expected_nodes=1)
    for _ in range(50):
        results.record("HTTP, steady", "200 complete")
    for _ in range(30):
        results.record("gRPC, steady", "OK complete")
    metrics = METRICS.replace("HTTP", str(http)).replace("STARTED", str(started)).replace("HANDLED", str(handled))
    assert (
        all(measurement.is_within_limit for measurement in checks.measure_uncounted_requests(metrics, results))
        == is_within_limit
    )


def test_a_watch_that_is_never_compared_fails_the_soak() -> None:
    """Copies of watches must have been compared over both protocols, and another version does not count."""
    results = ClientResults(expected_nodes=1)
    results.record("HTTP, list for a watch", "compared")
    results.record("gRPC, list for a watch", "another version")
    assert not checks.measure_uncompared_copies(results).is_within_limit
    results.record("gRPC, list for a watch", "compared")
    assert checks.measure_uncompared_copies(results).is_within_limit


def test_a_copy_that_differs_is_a_problem() -> None:
    """A copy that has the version of the list must have its objects."""
    copy = MessageCopy()
    assert compare_copy(copy, "", {}) == ("compared", "")
    assert compare_copy(copy, "", {("nodes", "c", "n"): b""}) == ("compared", "the copy differs")
    assert compare_copy(copy, "v", {}) == ("another version", "")


def test_a_problem_fails_the_soak(capsys: pytest.CaptureFixture[str]) -> None:
    """An unexpected status and missing nodes make the soak test fail and are printed."""
    for status, body in ((500, b"{}"), (200, b'{"cluster":{"edge-a":{"node":{}}}}')):
        results, headers = ClientResults(expected_nodes=1), Message()
        headers["X-Topology-Complete"] = "true"
        results.record_http("HTTP, steady", ClientResponse(status, headers, body))
        assert print_summary([ScenarioSummary("title", SoakResults()), ScenarioSummary("title", results)]) == 1
        assert "PROBLEM HTTP, steady: " in capsys.readouterr().out
    assert print_summary([ScenarioSummary("title", SoakResults(), [checks.measure_memory_growth([1.0])])]) == 0
