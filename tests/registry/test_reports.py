"""Reports of node agents are read leniently: what is wrong in one field costs that field."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.registry.reports import (
    DiskUsage,
    InterfaceTraffic,
    MalformedReportError,
    MetricsEndpoint,
    ReportedContainer,
    ReportedHealth,
    parse_report,
)

RECORDED_BODY = Path(__file__).parents[1] / "data" / "older-programs" / "002_agent_post_body.json"
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
    lambda children: st.lists(children) | st.dictionaries(st.text(), children),
)


def encode(document: object) -> bytes:
    """Return the body of a report as a Python program sends it."""
    return json.dumps(document).encode()


def test_a_recorded_report_is_read_completely() -> None:
    """Every field of a recorded report of the old agent is kept, and its local time without a zone is no skew."""
    report = parse_report(RECORDED_BODY.read_bytes())
    assert (report.local_time, report.time_seconds) == ("2026-11-20T20:25:31.402686", None)
    assert report.address == "127.0.0.1:2375"
    assert report.labels == {"env": "prod", "zone": "a"}
    assert report.containers == (
        ReportedContainer("8dfafdbc3a40", "web", "nginx:latest", {"com.example": "x"}),
        ReportedContainer("9c", "db", "pg"),
    )
    assert report.health == ReportedHealth(
        cpu_percent=0.0,
        memory_total_bytes=25276502016,
        memory_available_bytes=22000046080,
        memory_used_bytes=3276455936,
        disks={"/": DiskUsage(270553174016, 27966181376)},
        interfaces={
            "ifb0": InterfaceTraffic(0, 0),
            "ifb1": InterfaceTraffic(0, 0),
            "eth0": InterfaceTraffic(232335301, 560000),
        },
    )


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("2026-11-20T20:25:31Z", 1795206331.0), ("2026-11-20T21:25:31.5+01:00", 1795206331.5), ("yesterday", None)],
)
def test_a_time_with_a_zone_is_an_instant(text: str, seconds: float | None) -> None:
    """The time of a report is an instant if it has a zone."""
    assert parse_report(encode({"time": text})).time_seconds == seconds


def test_labels_and_containers_may_be_below_system() -> None:
    """The document of the old agent has labels and containers below `system`; both places are read."""
    report = parse_report(encode({"system": {"labels": {"a": "b"}, "containers": [{"id": "1"}]}}))
    assert (report.labels, report.containers) == ({"a": "b"}, (ReportedContainer("1"),))


@pytest.mark.parametrize("value", [None, True, "x", "NaN", float("nan"), float("inf"), [], {}, "1e999"])
def test_a_value_that_is_no_number_is_absent(value: Any) -> None:
    """A number that is null, not finite, or of another type is absent; the others are kept."""
    health = parse_report(encode({"system": {"cpuLoad": value, "memory": {"total": "12", "used": 3}}})).health
    assert (health.cpu_percent, health.memory_total_bytes, health.memory_used_bytes) == (None, 12.0, 3.0)


@pytest.mark.parametrize(
    ("value", "endpoint"),
    [
        ({"port": 5050}, MetricsEndpoint("http", 5050, "/metrics")),
        ({"scheme": "https", "port": 1, "path": "/a"}, MetricsEndpoint("https", 1, "/a")),
        ({"port": 0}, None),
        ({"port": 65536}, None),
        ({"port": 80.5}, None),
        ({"port": "x@evil.example"}, None),
        ({"scheme": "file", "port": 80}, None),
        ({"port": 80, "path": "//evil.example\r\n"}, None),
        ({"port": 80, "path": "metrics"}, None),
    ],
)
def test_an_endpoint_has_a_scheme_a_port_and_a_path(value: object, endpoint: MetricsEndpoint | None) -> None:
    """A reported endpoint is used only if each of its parts is valid; it has no host."""
    assert parse_report(encode({"metrics": value})).metrics == endpoint


@pytest.mark.parametrize("body", [b"", b"x", b"[]", b'"a"', b"\xff", b"[" * 100_000])
def test_a_body_that_is_no_json_object_is_refused(body: bytes) -> None:
    """A body that is not a JSON object is an error of the sender."""
    with pytest.raises(MalformedReportError, match="the body is not"):
        parse_report(body)


@given(
    st.fixed_dictionaries(
        {}, optional=dict.fromkeys(("time", "timeUtc", "labels", "containers", "system", "metrics"), JSON_VALUES)
    )
)
def test_any_object_is_a_report(document: dict[str, Any]) -> None:
    """No JSON object, whatever it contains, is refused."""
    report = parse_report(encode(document))
    assert report.address is None
