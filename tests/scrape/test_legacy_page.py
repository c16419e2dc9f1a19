"""The page of the old Docker exporter, compared with recorded pages of the old aggregator."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from aggregator.exposition.write import write_families
from aggregator.scrape.legacy_page import (
    LegacyHost,
    build_legacy_page,
    choose_hostname,
    name_hosts_uniquely,
    parse_agent_data,
)

OLDER_PROGRAMS = Path(__file__).parents[1] / "data" / "older-programs"
ADDRESS = "127.0.0.1:5050"
FULL_DATA = json.loads((OLDER_PROGRAMS / "000_agent_get-data.json").read_bytes())


def read_golden(name: str) -> bytes:
    """Return a recorded file."""
    return (OLDER_PROGRAMS / name).read_bytes()


def build_host(data: dict[str, Any] | None) -> LegacyHost:
    """Return the host of the recordings with this answer."""
    return LegacyHost(ADDRESS, choose_hostname(data or {}, "localhost.server4"), data)


def write_page(data: dict[str, Any] | None, scale: int = 100) -> bytes:
    """Return the page of one host."""
    return build_legacy_page([build_host(data)], scale).write_lines()


def test_the_recorded_page_is_reproduced() -> None:
    """The recorded answer of an agent gives the recorded page; the only difference is that quotes are escaped."""
    golden = read_golden("000_aggregator_metrics.txt")
    recorded_label = b'container_image_label="maintainer=J "Q" D,foo=bar"'
    assert golden.count(recorded_label) == 1
    escaped = golden.replace(recorded_label, b'container_image_label="maintainer=J \\"Q\\" D,foo=bar"')
    assert write_page(parse_agent_data(read_golden("000_agent_get-data.json"))) == escaped


def test_the_recorded_page_without_docker_is_reproduced() -> None:
    """A host on which Docker does not run has the five recorded lines."""
    data = parse_agent_data(read_golden("000_agent_get-data_docker-down.json"))
    assert write_page(data) == read_golden("000_aggregator_metrics_docker-down.txt")


def test_the_recorded_page_of_a_silent_host_is_reproduced() -> None:
    """A host that is known and does not answer has the recorded line."""
    assert write_page(None) == read_golden("000_aggregator_metrics_agent-offline.txt")


def test_silent_hosts_are_last() -> None:
    """Hosts that answer come first, in their order."""
    hosts = [LegacyHost("a", "a"), LegacyHost("b", "b", {"docker-running": False})]
    lines = build_legacy_page(hosts, 100).write_lines().decode().splitlines()
    assert lines[0] == 'server_online{hostname="b"} 1'
    assert lines[-1] == 'server_online{hostname="a"} 2'


def test_families_are_together() -> None:
    """As families, the page has the same samples, each family once, with HELP and TYPE."""
    other = {**FULL_DATA, "hostname": "other"}
    page = build_legacy_page([build_host(FULL_DATA), LegacyHost("b", "other", other)], 100)
    text = write_families(page.group_families().families).decode()
    parsed = list(text_string_to_metric_families(text))
    assert len({family.name for family in parsed}) == len(parsed) == 19
    assert sum(len(family.samples) for family in parsed) == 2 * 28
    assert all(family.type == "gauge" and family.documentation for family in parsed)


@pytest.mark.parametrize(
    ("percent", "scale", "expected"),
    [(12.34, 100, "1234"), (0.29, 100, "28"), ("7.5", 100, "750"), (12.34, 1, "12.34"), (5, 1, "5")],
)
def test_percent_are_scaled(percent: object, scale: int, expected: str) -> None:
    """The scale 100 gives hundredths of a percent, cut off as recorded; the scale 1 gives percent."""
    container = {"name": "a", "cpu-percent": percent}
    page = write_page({"docker-running": True, "containers": [container]}, scale).decode()
    assert f'container_cpu_percent{{hostname="{ADDRESS}",container_name="a"}} {expected}\n' in page.replace(
        "localhost.server4", ADDRESS
    )


@pytest.mark.parametrize("value", [None, True, "x", [], {}, float("nan"), float("inf"), "1e999"])
@pytest.mark.parametrize("key", ["cpu-percent", "network-bytes-in"])
def test_an_invalid_number_costs_its_sample(key: str, value: object) -> None:
    """A number that is null, not finite, or of another type is left out and counted; the rest of the page stays."""
    broken = json.loads(json.dumps(FULL_DATA))
    broken["containers"][1][key] = value
    page = build_legacy_page([build_host(broken)], 100)
    metric = f'container_{key.replace("-", "_")}{{hostname="localhost.server4",container_name="web"}}'
    expected = [line for line in write_page(FULL_DATA).decode().splitlines() if not line.startswith(metric)]
    assert page.write_lines().decode().splitlines() == expected
    assert page.invalid_fields == 1


def test_a_percentage_that_cannot_be_scaled_costs_its_sample() -> None:
    """A number whose hundredfold is not finite is left out and counted."""
    data = {"docker-running": True, "containers": [{"name": "a", "cpu-percent": 1e307, "block-bytes-in": 1e307}]}
    page = build_legacy_page([build_host(data)], 100).write_lines().decode()
    assert "container_cpu_percent" not in page
    assert 'container_block_bytes_in{hostname="localhost.server4",container_name="a"} 1e+307\n' in page


def test_float_and_text_numbers_are_numbers() -> None:
    """A number that an agent sends as float or text is a value, not a label."""
    data = {"docker-running": True, "image-count": "3", "total-container-count": 2.5}
    lines = write_page(data).decode()
    assert 'server_image_count{hostname="localhost.server4"} 3\n' in lines
    assert 'server_total_container_count{hostname="localhost.server4"} 2.5\n' in lines


def test_texts_are_escaped() -> None:
    """Quotes, backslashes and line ends in a text cost nothing, not even their own sample."""
    data = {"docker-running": True, "docker-version": 'a"b\\c\nd'}
    text = write_page(data).decode()
    families = {family.name: family for family in text_string_to_metric_families(text)}
    assert families["server_docker_version"].samples[0].labels["server_docker_version"] == 'a"b\\c\nd'


def test_two_hosts_of_one_name_are_told_apart() -> None:
    """The second host of a name has its address in the name."""
    hosts = name_hosts_uniquely([LegacyHost("1:1", "a"), LegacyHost("2:1", "a"), LegacyHost("3:1", "b")])
    assert [host.hostname for host in hosts] == ["a", "a (2:1)", "b"]


def test_a_host_cannot_take_the_changed_name_of_another() -> None:
    """Names stay unique if a host calls itself what another one would be called."""
    hosts = name_hosts_uniquely([LegacyHost("1:1", "a"), LegacyHost("2:1", "a (3:1)"), LegacyHost("3:1", "a")])
    assert len({host.hostname for host in hosts}) == 3


def test_a_hostname_is_limited_and_valid() -> None:
    """A name with half of a surrogate pair is replaced, and a long one is cut: it is in each sample of the host."""
    data = parse_agent_data(b'{"hostname":"a\\ud800","docker-running":false}')
    assert 'server_online{hostname="a?"} 1\n' in write_page(data).decode()
    assert len(choose_hostname({"hostname": "a" * 10**6}, ADDRESS)) == 255


def test_containers_of_one_name_are_one_series() -> None:
    """A series is written once, also when an agent lists a container twice."""
    data = {"docker-running": True, "containers": [FULL_DATA["containers"][0]] * 2}
    lines = write_page(data).decode().splitlines()
    assert len(lines) == len(set(lines))


@pytest.mark.parametrize("body", [b"", b"[]", b"<html>", b"[" * 100_000])
def test_an_answer_that_is_no_object_is_an_error(body: bytes) -> None:
    """An answer that is not a JSON object is an error of that agent."""
    with pytest.raises(ValueError):  # noqa: PT011 - the texts are those of the JSON library
        parse_agent_data(body)


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(), children, max_size=3),
    max_leaves=5,
)
CONTAINERS = st.fixed_dictionaries({}, optional=dict.fromkeys(FULL_DATA["containers"][0], JSON_VALUES))
HOSTS = st.fixed_dictionaries(
    {}, optional=dict.fromkeys(FULL_DATA, JSON_VALUES) | {"containers": st.lists(CONTAINERS, max_size=3)}
)


@given(st.lists(st.none() | HOSTS, max_size=3))
def test_any_answers_give_a_valid_page(answers: list[dict[str, Any] | None]) -> None:
    """Whatever agents answer, a strict parser takes both forms of the page, with the same samples."""
    hosts = name_hosts_uniquely(
        LegacyHost(f"10.0.0.{number}", choose_hostname(data or {}, f"10.0.0.{number}"), data)
        for number, data in enumerate(answers)
    )
    page = build_legacy_page(hosts, 100)
    lines = page.write_lines().decode()
    families = write_families(page.group_families().families).decode()
    count = sum(len(family.samples) for family in text_string_to_metric_families(lines))
    assert count == len(page.samples)
    assert sum(len(family.samples) for family in text_string_to_metric_families(families)) == count
