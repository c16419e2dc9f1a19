"""The little PromQL of the demo, held against a real Prometheus."""

import json
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping

import pytest

from aggregator.models.catalog import CATALOG
from aggregator.models.row import Row
from demo.answers import UP, number_text, whole
from demo.fleet import Fleet, exposition
from demo.history import past
from demo.prometheus import Moment, holding
from demo.promql import Series, UnknownPromQLError, compiled
from demo.scene import Scene

AT_SECONDS = 1_795_208_160.0
FLEET = Fleet.of(10, 4, since_seconds=AT_SECONDS)
TEXT = 'm{a="x",b="1"} 3\nm{a="x",b="2"} 5\nm{a="y"} 7\nn{a="x",b="1"} 2\n'


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """Run a Prometheus that holds the fleet, with the past of its counters."""
    everything = Moment(exposition(FLEET, AT_SECONDS) + UP, AT_SECONDS)
    with holding([*past(FLEET, AT_SECONDS), everything]) as running:
        yield running


def asked(url: str, promql: str) -> dict[frozenset[tuple[str, str]], str]:
    """Return what Prometheus answers: each series' value by its labels."""
    query = urllib.parse.urlencode({"query": promql, "time": AT_SECONDS})
    with urllib.request.urlopen(f"{url}/api/v1/query?{query}", timeout=20) as answer:  # noqa: S310 - ours
        result = json.load(answer)["data"]["result"]
    return {frozenset(each["metric"].items()): each["value"][1] for each in result}


@pytest.mark.parametrize("row", CATALOG, ids=lambda row: row.name)
def test_each_row_is_answered_as_prometheus_answers_it(url: str, row: Row) -> None:
    """On a simulated fleet the same series have the same values; rates, and sums of floats, but for a little."""
    (scene,) = whole(FLEET, AT_SECONDS)
    found = compiled(row.ask.text)(scene)
    assert isinstance(found, list)
    ours = {frozenset(labels.items()): value for labels, value in found}
    theirs = {labels: float(text) for labels, text in asked(url, row.ask.text).items()}
    assert ours.keys() == theirs.keys()
    is_rate = "rate(" in row.ask.text
    for labels, value in theirs.items():
        assert ours[labels] == pytest.approx(value, rel=0.15 if is_rate else 1e-12, abs=2.0 if is_rate else 0)


def values(promql: str, text: str = TEXT) -> dict[str, float] | float:
    """Return each value by its labels, as text."""
    found = compiled(promql)(Scene(AT_SECONDS, text, lambda _before: 'm{a="x",b="1"} 1\n'))
    if not isinstance(found, list):
        return found
    return {_shown(series): series.value for series in found}


def _shown(series: Series) -> str:
    return ",".join(f"{name}={text}" for name, text in sorted(series.labels.items()))


@pytest.mark.parametrize(
    ("promql", "expected"),
    [
        ("2 + 3 * 4", 14.0),
        ("(2 + 3) * 4", 20.0),
        ("8 / 2 / 2", 2.0),
        ("max by (a) (m)", {"a=x": 5.0, "a=y": 7.0}),
        ("count by (a) (m)", {"a=x": 2, "a=y": 1}),
        ("avg by (a) (m) * 2", {"a=x": 8.0, "a=y": 14.0}),
        ("sum by () (m)", {"": 15.0}),
        ("min(m)", {"": 3.0}),
        ('m{b!=""} - n', {"a=x,b=1": 1.0}),
        ('m{a=~"x|z",b!~"2"}', {"__name__=m,a=x,b=1": 3.0}),
        ("m == 7", {"__name__=m,a=y": 7.0}),
        ("rate(m[1m])", {"a=x,b=1": 2.0 / 60}),
        ("m and n", {"__name__=m,a=x,b=1": 3.0}),
        ("m offset 1m", {"__name__=m,a=x,b=1": 1.0}),
        ("100 * (1 - n)", {"a=x,b=1": -100.0}),
        ("timestamp(n)", {"a=x,b=1": AT_SECONDS}),
        ("nothing", {}),
    ],
)
def test_expressions(promql: str, expected: float | Mapping[str, float]) -> None:
    """Operators bind as in PromQL; aggregates, rates and comparisons give what theirs give."""
    assert values(promql) == expected


@pytest.mark.parametrize(
    "promql", ["", "m{", "topk(3, m)", "m or n", "m ^ 2", "m > n", "sum without (a) (m)", "rate(m)", "m == n", "max(1)"]
)
def test_what_is_not_known_is_an_error(promql: str) -> None:
    """PromQL beyond what the catalog asks is refused: no answer is made up."""
    with pytest.raises(UnknownPromQLError):
        values(promql)


@pytest.mark.parametrize(
    ("value", "text"),
    [(1.0, "1"), (0.05, "0.05"), (1e-7, "0.0000001"), (1e21, "1000000000000000000000"), (-2.5, "-2.5")],
)
def test_numbers_are_written_as_prometheus_writes_them(value: float, text: str) -> None:
    """As few digits as tell the number apart, and no exponent."""
    assert number_text(value) == text
