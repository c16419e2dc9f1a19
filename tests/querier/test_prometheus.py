"""The client and the decoder against a real Prometheus."""

from collections.abc import Iterator

import pytest

from aggregator.errors import RefusedError, TooLargeError
from aggregator.models.catalog import CATALOG
from aggregator.querier.client import Address, Client, Limits
from aggregator.querier.decode import decoder
from demo.prometheus import Moment, holding

AT_SECONDS = 1795208200.5
TEXT = 'm{a="ü\\"<",b="1"} 1.5\nm{a="x",b="2"} NaN\n'


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """Run a Prometheus that holds two series."""
    with holding([Moment(TEXT, AT_SECONDS)]) as running:
        yield running


@pytest.fixture
def client(url: str) -> Iterator[Client]:
    """Return a client of it."""
    made = Client(Address(url), Limits(query_seconds=10, answer_bytes=10_000, connections=1))
    yield made
    made.close()


def test_samples_are_those_that_prometheus_holds(client: Client) -> None:
    """Labels come back unescaped, values as text, at the time that was asked for."""
    samples = decoder(("a",))(client.ask("m", AT_SECONDS + 1)).samples
    assert sorted((sample.metric.a, sample.value.time, sample.value.text) for sample in samples) == [
        ("x", AT_SECONDS + 1, "NaN"),
        ('ü"<', AT_SECONDS + 1, "1.5"),
    ]


def test_the_time_of_the_question_counts(client: Client) -> None:
    """Ten minutes before the scrape there was nothing."""
    assert decoder(("a",))(client.ask("m", AT_SECONDS - 600)).samples == []


def test_bad_promql_is_refused_with_its_reason(client: Client) -> None:
    """What Prometheus has against an expression is told."""
    with pytest.raises(RefusedError, match=r"HTTP 400: bad_data: .*parse error"):
        client.ask("max by (", AT_SECONDS)


def test_an_impossible_join_is_refused(client: Client) -> None:
    """An expression that fails on the data is status 422, which is about the query."""
    with pytest.raises(RefusedError, match="HTTP 422: execution") as caught:
        client.ask("m * on () m", AT_SECONDS + 1)
    assert not caught.value.may_use_last_answer


def test_a_large_answer_is_refused(client: Client) -> None:
    """The cap holds for a real answer, too."""
    with pytest.raises(TooLargeError):
        client.ask('label_replace(m, "long", "$1$1$1$1$1$1$1$1", "a", "(.*)") or ' + wide_vector(), AT_SECONDS + 1)


def wide_vector() -> str:
    """Return PromQL whose answer is some twenty kilobytes."""
    return " or ".join(f'label_replace(vector(1), "n", "{number}", "", "")' for number in range(300))


def test_every_query_of_the_catalog_is_valid(client: Client) -> None:
    """Prometheus accepts each row's PromQL, and its decoder the empty answer."""
    for row in CATALOG:
        assert row.query.decode(client.ask(row.ask.text, AT_SECONDS)).samples == []
