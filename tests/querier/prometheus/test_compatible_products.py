"""Responses of products that are compatible with Prometheus and differ from it in details."""

import contextlib

import pytest

from aggregator.errors import MalformedResponseError, QueryError
from aggregator.querier.prometheus.client import PrometheusClient, QueryLimits, UpstreamAddress
from aggregator.querier.prometheus.decode import create_decoder
from aggregator.querier.source import RowSamples
from tests.support.field_cases import FIELD_DIR, load_field_response
from tests.support.scripted_server import build_http_response, build_sending_script, run_scripted_server

PARTIAL_WARNING = "the response is partial (isPartial)"
ERROR_CASES = sorted(path.stem for path in FIELD_DIR.glob("error-*.json"))
LIMITS = QueryLimits(query_timeout_seconds=5, max_response_bytes=100_000, max_connections=1)


def decode_case(name: str) -> RowSamples:
    """Return what the decoder makes of a field case."""
    return create_decoder(("node",))(load_field_response(name).body)


def query_and_get_error(response: bytes) -> str:
    """Return the error of a query that gets this response."""
    with (
        run_scripted_server(build_sending_script(response)) as upstream,
        contextlib.closing(PrometheusClient(UpstreamAddress(upstream.url), LIMITS)) as client,
        pytest.raises(QueryError) as caught,
    ):
        client.query("up", 1.0)
    return str(caught.value)


@pytest.mark.parametrize(
    ("name", "warnings"),
    [("partial-victoriametrics", (PARTIAL_WARNING,)), ("whole-victoriametrics", ()), ("additional-fields", ())],
)
def test_samples_are_decoded_despite_other_fields(name: str, warnings: tuple[str, ...]) -> None:
    """Unknown fields are ignored; a partial response keeps its samples and has a warning."""
    decoded = decode_case(name)
    assert [(sample.labels.node, sample.value.text) for sample in decoded.samples] == [("worker-1", "8000000000")]
    assert (decoded.warnings, decoded.remarks) == (warnings, ())


@pytest.mark.parametrize("name", ["null-result", "null-result-without-type"])
def test_null_is_an_empty_vector(name: str) -> None:
    """A result that is null has no samples, with and without a result type."""
    assert decode_case(name) == RowSamples([])


def test_samples_without_a_type_are_malformed() -> None:
    """Only an empty result may have no type."""
    body = load_field_response("additional-fields").body.replace(b'"vector"', b'""')
    with pytest.raises(MalformedResponseError, match="a result without a type"):
        create_decoder(("node",))(body)


@pytest.mark.parametrize("flag", [b"null", b"0", b'"no"', b"{}"])
def test_a_flag_of_another_type_is_ignored(flag: bytes) -> None:
    """A partial flag that is not a boolean is no reason to lose the samples."""
    body = load_field_response("partial-victoriametrics").body.replace(b'"isPartial": true', b'"isPartial": ' + flag)
    decoded = create_decoder(("node",))(body)
    assert (len(decoded.samples), decoded.warnings) == (1, ())


@pytest.mark.parametrize("name", ERROR_CASES)
def test_the_message_of_an_error_is_quoted(name: str) -> None:
    """The error quotes the message of the upstream: of JSON of several shapes, of plain text, and of a web page."""
    response = load_field_response(name)
    assert query_and_get_error(response.encode()) == response.right


@pytest.mark.parametrize(
    "body",
    [
        b"too many samples " * 100_000,
        b'{"error":{"message":"' + b"x" * 60_000 + b'"}}',
        b"<html><title>" + b"x" * 900 + b"</title>",
        b'{"x":[' + b"1," * 10_000 + b"1]}",
        b"[" * 60_000,
    ],
    ids=["plain text", "error object", "title", "other JSON", "deep nesting"],
)
def test_a_quoted_message_is_short(body: bytes) -> None:
    """Messages of any size and shape are truncated."""
    assert len(query_and_get_error(build_http_response(body, "400 Bad Request"))) < 400


def test_the_page_of_a_login_is_named() -> None:
    """A web page in place of a result is reported with its title."""
    body = load_field_response("error-login-page").body
    with pytest.raises(
        MalformedResponseError, match="the response is a web page with the title 'Sign in to R&D metrics'"
    ):
        create_decoder(("node",))(body)
