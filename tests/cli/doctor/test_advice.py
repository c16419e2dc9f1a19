"""The advice of the doctor about errors of upstreams."""

import contextlib

import pytest

from aggregator.cli.doctor import probes
from aggregator.cli.doctor.advice import select_error_advice, select_warning_advice
from aggregator.cli.doctor.findings import describe_partial_responses
from aggregator.cli.doctor.report import Finding
from aggregator.querier.prometheus.client import PrometheusClient, QueryLimits, UpstreamAddress
from tests.support.field_cases import load_field_response
from tests.support.scripted_server import build_http_response, build_sending_script, run_scripted_server


@pytest.mark.parametrize(
    ("error", "advice"),
    [
        ("HTTP 401: Unauthorized", "PROMETHEUS_BEARER_TOKEN"),
        ("HTTP 401: no org id", "PROMETHEUS_HEADERS=X-Scope-OrgID=NAME"),
        ("HTTP 400: the tenant ID is invalid", "PROMETHEUS_HEADERS=X-Scope-OrgID=NAME"),
        ("HTTP 403: Forbidden", "the permission to query"),
        ("HTTP 403: Forbidden (web page: Sign in)", "such as a login"),
        ("HTTP 404: Not Found at /x/api/v1/query", "fix the path"),
        ("HTTP 422: execution: query processing would load too many samples into memory", "--query.max-samples"),
        ("HTTP 422: the query exceeded the maximum number of chunks (limit: 2000000 chunks)", "raise the limit"),
        ("HTTP 422: cannot select more than -search.maxSamplesPerQuery=1000 samples", "raise the limit"),
        ("HTTP 422: execution: many-to-many matching not allowed", "several replicas"),
        ("HTTP 422: execution: unknown function", "compatible with it"),
        ('HTTP 400: INVALID_ARGUMENT: Unknown name "dedup"', "THANOS=off"),
        ("HTTP 400: bad_data: parse error", "compatible with it"),
        ("HTTP 429: the request rate limit is exceeded for this tenant", "rate limit"),
        ("HTTP 500: Internal Server Error", "see its log"),
        ("HTTP 503: timeout: query timed out in expression evaluation", "QUERY_TIMEOUT"),
        ("HTTP 503: Service Unavailable", "starting, overloaded"),
        ("HTTP 504: Gateway Timeout", "QUERY_TIMEOUT"),
        ("no response within the query timeout", "QUERY_TIMEOUT"),
        ("the response is larger than 1024 bytes", "MAX_ANSWER_BYTES"),
        ("connection failed (reset)", "see the log of the upstream"),
    ],
)
def test_advice_follows_the_message(error: str, advice: str) -> None:
    """Advice is selected by the words of the upstream, then by the status."""
    assert advice in select_error_advice(error)


def probe_response(response: bytes) -> tuple[Finding, str]:
    """Return the only finding about an upstream that responds with this, and the URL of the upstream."""
    with run_scripted_server(build_sending_script(response)) as server, contextlib.ExitStack() as stack:

        def create_client(address: UpstreamAddress) -> PrometheusClient:
            return stack.enter_context(contextlib.closing(PrometheusClient(address, QueryLimits(5.0, 2**20, 1))))

        _, (finding,) = probes.probe_upstream(UpstreamAddress(server.url, name="it"), create_client)
        return finding, server.url


@pytest.mark.parametrize(
    ("name", "code", "advice"),
    [
        ("error-google", "not-allowed", "the permission to query"),
        ("error-google-list", "needs-credentials", "PROMETHEUS_BEARER_TOKEN"),
        ("error-amazon", "not-allowed", "aws-sigv4-proxy"),
        ("error-azure", "not-allowed", "the permission to query"),
        ("error-mimir", "needs-credentials", "X-Scope-OrgID"),
        ("error-nginx", "needs-credentials", "such as a login"),
        ("error-login-page", "not-allowed", "such as a login"),
        ("error-problem-details", "refuses", "rate limit"),
    ],
)
def test_a_finding_quotes_the_message_and_fits_it(name: str, code: str, advice: str) -> None:
    """A finding has the address and the message of the upstream, and advice that fits the message."""
    response = load_field_response(name)
    finding, url = probe_response(response.encode())
    assert (finding.code, response.right in finding.message, url in finding.message) == (code, True, True)
    assert advice in finding.advice


def test_a_login_page_with_status_200() -> None:
    """A login page in place of a result is named by its title."""
    finding, _ = probe_response(build_http_response(load_field_response("error-login-page").body))
    assert (finding.code, "'Sign in to R&D metrics'" in finding.message) == ("wrong-path", True)
    assert "such as a login" in finding.advice


def test_advice_about_partial_responses() -> None:
    """Partial responses of VictoriaMetrics lack a storage node, those of Thanos a store."""
    finding = describe_partial_responses("eu", ["uptime"], ["the response is partial (isPartial)"])
    assert (finding.source, "storage nodes" in finding.advice) == ("eu", True)
    assert "/stores" in select_warning_advice(["receive series from Addr: a: rpc error"])
