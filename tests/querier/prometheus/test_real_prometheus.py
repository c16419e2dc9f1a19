"""The client and the decoder against a real Prometheus."""

import contextlib
from collections.abc import Iterator, Mapping

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from aggregator.app.sources import build_client
from aggregator.errors import ResponseTooLargeError, UpstreamStatusError
from aggregator.observability.redaction import PATTERN_REDACTOR
from aggregator.querier.prometheus.client import PrometheusClient, QueryLimits, UpstreamAddress, format_duration
from aggregator.querier.prometheus.decode import create_decoder
from aggregator.settings.gateway import Settings
from aggregator.settings.settings import load_settings
from demo.prometheus import ScrapedExposition, run_prometheus_with_data
from tests.support.catalog import CATALOG

AT_SECONDS = 1795208200.5
QUERY_PATH = "/api/v1/query"
EXPOSITION = 'm{a="ü\\"<",b="1"} 1.5\nm{a="x",b="2"} NaN\n'


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """Run a Prometheus with two series."""
    with run_prometheus_with_data([ScrapedExposition(EXPOSITION, AT_SECONDS)]) as running:
        yield running


@pytest.fixture
def client(url: str) -> Iterator[PrometheusClient]:
    """Return a client of it."""
    prometheus_client = PrometheusClient(
        UpstreamAddress(url), QueryLimits(query_timeout_seconds=10, max_response_bytes=10_000, max_connections=1)
    )
    yield prometheus_client
    prometheus_client.close()


def test_samples_are_those_of_prometheus(client: PrometheusClient) -> None:
    """Labels are unescaped, values are text, and the time is that of the query."""
    samples = create_decoder(("a",))(client.query("m", AT_SECONDS + 1).decompress()).samples
    assert sorted((sample.labels.a, sample.value.time, sample.value.text) for sample in samples) == [
        ("x", AT_SECONDS + 1, "NaN"),
        ('ü"<', AT_SECONDS + 1, "1.5"),
    ]


def test_the_time_of_the_query_is_used(client: PrometheusClient) -> None:
    """A query for a time before the first sample has no samples."""
    assert create_decoder(("a",))(client.query("m", AT_SECONDS - 600).decompress()).samples == []


def test_invalid_promql_is_an_error(client: PrometheusClient) -> None:
    """The error for invalid PromQL contains the message of Prometheus."""
    with pytest.raises(UpstreamStatusError, match=r"HTTP 400: bad_data: .*parse error"):
        client.query("max by (", AT_SECONDS)


def test_an_impossible_join_is_an_error(client: PrometheusClient) -> None:
    """PromQL that fails on the data is status 422, which does not allow a stale response."""
    with pytest.raises(UpstreamStatusError, match="HTTP 422: execution") as caught:
        client.query("m * on () m", AT_SECONDS + 1)
    assert not caught.value.allows_stale_fallback


def test_a_large_response_is_an_error(client: PrometheusClient) -> None:
    """The size limit applies to a real response."""
    with pytest.raises(ResponseTooLargeError):
        client.query(
            'label_replace(m, "long", "$1$1$1$1$1$1$1$1", "a", "(.*)") or ' + build_wide_vector(), AT_SECONDS + 1
        )


@pytest.mark.parametrize(
    ("name", "text"),
    [
        *(
            ("QUERY_TIMEOUT", text)
            for text in ("2.5", "0.75", "1e1", "1.23456789", "2500ms", "2m", "0.5h", "86400", "1d")
        ),
        *(("THANOS", text) for text in ("auto", "on", "off")),
        *(("PARTIAL_RESPONSE", text) for text in ("serve", "abort")),
        *(("QUERY_CONCURRENCY", text) for text in ("1", "100")),
        *(("MAX_ANSWER_BYTES", text) for text in ("1024", str(2**62))),
        (
            "PROMETHEUS_HEADERS",
            "X-Scope-OrgID=a|b,X-Other=%7E%20%22%2C%3D!,Cookie=a%3Db,Accept=text/html,Range=bytes%3D1-",
        ),
        ("PROMETHEUS_QUERY_PARAMETERS", "extra_label=a=b,x[]=%26%3F%23%C3%BC,x[]=,nocache=1"),
        ("PROMETHEUS_BEARER_TOKEN", "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"),
    ],
)
def test_prometheus_accepts_each_value_of_a_setting(url: str, name: str, text: str) -> None:
    """No accepted value of a setting makes a query that Prometheus rejects."""
    loaded = load_settings({"PROMETHEUS_ADDRESS": url, "THANOS": "on", name: text}, Settings)
    with contextlib.closing(build_client(loaded, PATTERN_REDACTOR, loaded.upstreams[0])) as configured_client:
        body = configured_client.query('m{b="1"}', AT_SECONDS + 1).decompress()
    assert len(create_decoder(("a",))(body).samples) == 1


@pytest.mark.parametrize("address", ["http://ü:ü€@{}", "http://t0ken@{}", "http://{}/", "http://{}/#name=a&cluster=b"])
def test_prometheus_accepts_each_form_of_an_address(url: str, address: str) -> None:
    """Credentials, a trailing slash and options do not change the query."""
    loaded = load_settings({"PROMETHEUS_ADDRESS": address.format(url.removeprefix("http://"))}, Settings)
    with contextlib.closing(build_client(loaded, PATTERN_REDACTOR, loaded.upstreams[0])) as configured_client:
        assert len(create_decoder(("a",))(configured_client.query("m", AT_SECONDS + 1).decompress()).samples) == 2


@given(st.floats(0.001, 86400))
@example(0.001)
@example(86400.0)
@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_prometheus_accepts_each_timeout(client: PrometheusClient, seconds: float) -> None:
    """Every timeout of the settings is a duration for Prometheus; the shortest ones may run out (503)."""
    assert get_status(client, {"query": "m", "timeout": format_duration(seconds)}) in (200, 503)


def get_status(client: PrometheusClient, parameters: Mapping[str, str]) -> int:
    """Return the status of the response to a query."""
    try:
        return client.get(QUERY_PATH, parameters).status
    except UpstreamStatusError as error:
        return error.status


def build_wide_vector() -> str:
    """Return PromQL with a response of about 20 kB."""
    return " or ".join(f'label_replace(vector(1), "n", "{number}", "", "")' for number in range(300))


def test_every_query_of_the_catalog_is_valid(client: PrometheusClient) -> None:
    """Prometheus accepts the PromQL of each row, and the empty response can be decoded."""
    for row in CATALOG:
        assert (
            create_decoder(row.expression.labels)(client.query(row.expression.text, AT_SECONDS).decompress()).samples
            == []
        )
