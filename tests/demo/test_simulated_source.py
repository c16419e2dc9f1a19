"""The simulated source gives the same results as a real Prometheus with the same fleet."""

import json
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping

import pytest

from aggregator.models.catalog import promql
from aggregator.models.catalog.row import Row
from aggregator.querier.prometheus.decode import ignore_deadline
from aggregator.querier.source import RefreshBudget, RowSamples, Source
from aggregator.refresh.collector import CollectorConfig, SnapshotCollector, ViewSet
from demo.exposition import ExpositionSnapshot, Series
from demo.fleet import SimulatedFleet, render_exposition
from demo.history import generate_history
from demo.prometheus import ScrapedExposition, run_prometheus_with_data
from demo.simulated_source import (
    UP_SAMPLE_TEXT,
    UnsupportedExpressionError,
    create_fleet_source,
    create_large_fleet_source,
    evaluate,
    format_number,
)
from tests.support.catalog import CATALOG
from tests.support.samples import create_row

AT_SECONDS = 1_795_208_160.0
FLEET = SimulatedFleet.generate(10, 4, since_seconds=AT_SECONDS)
TEXT = 'm{a="x",b="1"} 3\nm{a="x",b="2"} 5\nm{a="y"} 7\nn{a="x",b="1"} 2\n'

SeriesValues = dict[frozenset[tuple[str, str]], float]


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """The URL of a Prometheus with the fleet and the history of its counters."""
    scrape = ScrapedExposition(render_exposition(FLEET, AT_SECONDS) + UP_SAMPLE_TEXT, AT_SECONDS)
    with run_prometheus_with_data([*generate_history(FLEET, AT_SECONDS), scrape]) as running:
        yield running


def read_values(body: bytes) -> SeriesValues:
    """Return the values in a response by the labels of the series."""
    result = json.loads(body)["data"]["result"]
    return {frozenset(series["metric"].items()): float(series["value"][1]) for series in result}


def query_prometheus(url: str, expression: promql.Expression) -> SeriesValues:
    """Return the values that Prometheus returns for an expression."""
    query = urllib.parse.urlencode({"query": expression.text, "time": AT_SECONDS})
    with urllib.request.urlopen(f"{url}/api/v1/query?{query}", timeout=20) as response:  # noqa: S310 - a local URL
        return read_values(response.read())


def query_source(source: Source, row: Row) -> SeriesValues:
    """Return the values that a source returns for a row."""
    result = source.collect([row], AT_SECONDS, RefreshBudget(60.0)).wait_for_row(row)
    assert isinstance(result.outcome, RowSamples)
    assert result.stored_response is not None
    assert result.stored_response.decode(ignore_deadline) == result.outcome
    return read_values(result.stored_response.get_body())


@pytest.mark.parametrize("row", CATALOG, ids=lambda row: row.name)
def test_each_row_matches_prometheus(url: str, row: Row) -> None:
    """Series and values are equal, except for small differences of rates and rounding."""
    simulated, real = query_source(create_fleet_source(FLEET), row), query_prometheus(url, row.expression)
    assert simulated.keys() == real.keys()
    is_rate = "rate(" in row.expression.text
    for labels, value in real.items():
        assert simulated[labels] == pytest.approx(value, rel=0.15 if is_rate else 1e-12, abs=2.0 if is_rate else 0)


@pytest.mark.parametrize("name", ["nodes_by_uname", "oldest_sample"])
def test_the_source_of_large_fleets_gives_the_same_results(name: str) -> None:
    """Evaluating host by host gives the same results, also for rows about the whole system."""
    (row,) = (row for row in CATALOG if row.name == name)
    assert query_source(create_large_fleet_source(FLEET), row) == query_source(create_fleet_source(FLEET), row)


def test_a_snapshot_of_the_source_is_complete() -> None:
    """A snapshot of the source has all nodes and no gaps."""
    collector = SnapshotCollector([create_fleet_source(FLEET)], CollectorConfig(CATALOG, 300.0), ViewSet({}, ()))
    snapshot, failures = collector.collect(AT_SECONDS, 0.0)
    assert (len(snapshot.topology.nodes), snapshot.gaps, failures) == (len(FLEET.hosts), (), ())
    collector.close()


def test_unsupported_promql_is_an_error() -> None:
    """A row with unsupported PromQL has an error that contains the PromQL, and no samples."""
    row = create_row("topk(3, m)")
    result = create_fleet_source(FLEET).collect([row], AT_SECONDS, RefreshBudget(60.0)).wait_for_row(row)
    assert isinstance(result.outcome, UnsupportedExpressionError)
    assert "cannot evaluate topk(3, m)" in str(result.outcome)
    assert result.stored_response is None


def evaluate_text(expression: promql.Expression) -> dict[str, float]:
    """Return the values of an expression by labels as text."""
    snapshot = ExpositionSnapshot(AT_SECONDS, TEXT, lambda _before: 'm{a="x",b="1"} 1\n')
    return {_format_labels(series): series.value for series in evaluate(expression, snapshot)}


def _format_labels(series: Series) -> str:
    return ",".join(f"{name}={text}" for name, text in sorted(series.labels.items()))


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        (promql.max_by("m", ("a",)), {"a=x": 5.0, "a=y": 7.0}),
        (promql.count_by("m", ("a",)), {"a=x": 2, "a=y": 1}),
        (promql.group_by("m", ("b",)), {"b=1": 1.0, "b=2": 1.0, "": 1.0}),
        (promql.sum_by(promql.max_by("m", ("a",)), ("c",)), {"": 12.0}),
        (promql.avg_by("m", ("a",)).multiply_by("2"), {"a=x": 8.0, "a=y": 14.0}),
        (promql.max_by("m", ("a",)).divide_by("1e1"), {"a=x": 0.5, "a=y": 0.7}),
        (promql.difference("m", "n"), {"a=x,b=1": 1.0}),
        (
            promql.join_labels(promql.max_by("m", ("a", "b")), "c", ("b", "a")),
            {"a=x,b=1,c=1/x": 3.0, "a=x,b=2,c=2/x": 5.0, "a=y,c=/y": 7.0},
        ),
        (
            promql.join_labels(promql.max_by("m", ("a", "b")), "c", ("a", "b")),
            {"a=x,b=1,c=x/1": 3.0, "a=x,b=2,c=x/2": 5.0, "a=y,c=y": 7.0},
        ),
        (promql.total("m", "n"), {"a=x,b=1": 5.0}),
        (promql.quotient("m", "n"), {"a=x,b=1": 1.5}),
        (promql.quotient(promql.max_by("n", ()), promql.max_by("nothing", ())), {}),
        (promql.parse_selector('m{a=~"x|z",b!~"2"}'), {"__name__=m,a=x,b=1": 3.0}),
        (promql.parse_selector('m{b!="",b!="1"}'), {"__name__=m,a=x,b=2": 5.0}),
        (promql.equal_to("m", 7), {"__name__=m,a=y": 7.0}),
        (promql.rate_per_second("m"), {"a=x,b=1": 2.0 / 300}),
        (promql.used_percent(promql.parse_selector("n")), {"a=x,b=1": -100.0}),
        (promql.last_timestamp_by("n", ("a",)), {"a=x": AT_SECONDS}),
        (promql.oldest_timestamp("m"), {"": AT_SECONDS}),
        (promql.parse_selector("nothing"), {}),
    ],
)
def test_expressions(expression: promql.Expression, expected: Mapping[str, float]) -> None:
    """Each kind of expression is evaluated as in PromQL."""
    assert evaluate_text(expression) == expected


LARGE_VALUES = 'm{a="x",b="1"} 1e30\nm{a="x",b="2"} 5\nm{a="x",b="3"} 4\nm{a="y",b="1"} 1e30\nm{a="z",b="1"} -3\n'


def test_the_largest_integer_is_one_that_fits() -> None:
    """The largest value below the limit is used, or a larger one if it is the only one, as in Prometheus."""
    expression, expected = promql.max_integer_by("m", ("a",)), {"x": 5.0, "y": 1e30, "z": -3.0}
    snapshot = ExpositionSnapshot(AT_SECONDS, LARGE_VALUES, lambda _before: "")
    assert {series.labels["a"]: series.value for series in evaluate(expression, snapshot)} == expected
    with run_prometheus_with_data([ScrapedExposition(LARGE_VALUES, AT_SECONDS)]) as url:
        assert query_prometheus(url, expression) == {
            frozenset({("a", name)}): value for name, value in expected.items()
        }


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1.0, "1"),
        (0.05, "0.05"),
        (1e-7, "0.0000001"),
        (1e21, "1000000000000000000000"),
        (-2.5, "-2.5"),
        (float("nan"), "NaN"),
        (float("-inf"), "-Inf"),
    ],
)
def test_numbers_are_formatted_like_prometheus(value: float, text: str) -> None:
    """Numbers have the shortest representation without exponent."""
    assert format_number(value) == text
