"""The judge of a soak: what holds, and what does not."""

from email.message import Message

import pytest

from tests.server.exchange import Answer
from tests.soak import judgement
from tests.soak.__main__ import summary
from tests.soak.clients import Told

METRICS = """\
# TYPE http_requests_total counter
http_requests_total{handler="/",code="200",method="GET"} HTTP
# TYPE grpc_server_started_total counter
grpc_server_started_total{grpc_method="ConnectToQuerier"} BEGUN
# TYPE grpc_server_handled_total counter
grpc_server_handled_total{grpc_method="ConnectToQuerier",grpc_code="OK"} ENDED
"""


def test_memory_that_stays_is_flat() -> None:
    """A peak in the middle is no growth."""
    assert judgement.growth([80.0] * 10 + [300.0] * 10 + [81.0] * 10).holds


def test_memory_that_grows_is_noticed() -> None:
    """A steady climb is too much once it is over the bound."""
    assert not judgement.growth([80.0 + step for step in range(60)]).holds


@pytest.mark.parametrize(
    ("http", "begun", "ended", "holds"),
    [(50, 30, 30, True), (49, 30, 30, False), (50, 30, 29, False), (50, 31, 30, False), (500, 30, 30, False)],
)
def test_counters_agree_or_not(http: int, begun: int, ended: int, holds: bool) -> None:
    """What clients saw is counted, what began has ended, and not much more is counted than was seen."""
    told = Told(nodes=1)
    for _ in range(50):
        told.note("HTTP, steady", "200 complete")
    for _ in range(30):
        told.note("gRPC, steady", "OK complete")
    metrics = METRICS.replace("HTTP", str(http)).replace("BEGUN", str(begun)).replace("ENDED", str(ended))
    assert all(measured.holds for measured in judgement.uncounted(metrics, told)) == holds


def test_a_problem_is_not_well(capsys: pytest.CaptureFixture[str]) -> None:
    """A status that nobody expects, and too few nodes, make a soak fail and are told."""
    for status, body in ((500, b"{}"), (200, b'{"cluster":{"edge-a":{"node":{}}}}')):
        told, headers = Told(nodes=1), Message()
        headers["X-Topology-Complete"] = "true"
        told.answer("HTTP, steady", Answer(status, headers, body))
        assert summary(told, [], "title") == 1
        assert "PROBLEM HTTP, steady: " in capsys.readouterr().out
    assert summary(Told(nodes=1), [judgement.growth([1.0])], "title") == 0
