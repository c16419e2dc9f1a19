"""Every parity case end to end: a real Prometheus, a gateway process, HTTP and gRPC."""

import json
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from aggregator.cli.etim_client import fetch_infrastructure
from aggregator.pb.etim import server_pb2 as pb
from aggregator.querier.prometheus.client import PrometheusClient, UpstreamAddress
from demo.prometheus import ScrapedExposition, run_prometheus_with_data
from tests.integration.gateway_process import GatewayProcess, run_gateway, wait_until
from tests.record_answers import QUERY_LIMITS, format_responses
from tests.support.catalog import CATALOG
from tests.support.http_client import send_request
from tests.support.parity_cases import (
    AGE_PATH,
    CASE_NAMES,
    DOCUMENT_AGE_SECONDS,
    RECORD_COMMAND,
    Json,
    extract_go_nodes,
    extract_nodes,
    find_json_differences,
    load_recorded_responses,
    read_exposition,
    read_go_response,
    read_scrape_time_seconds,
    render_golden_files,
)
from tests.support.parity_differences import CASES_WITHOUT_GO_RESPONSE, GRPC_DIFFERENCES, HTTP_DIFFERENCES

OLDEST_TIMESTAMP_PATH = "/timestamp/oldestTimestamp"


@dataclass(frozen=True)
class RunningParityCase:
    """A case in a Prometheus, scraped at the original time and just now, with a gateway."""

    name: str
    prometheus_url: str
    scraped_at_seconds: float
    gateway: GatewayProcess

    def fetch_document(self, layout: str) -> Json:
        """Return the JSON over HTTP."""
        url = f"http://127.0.0.1:{self.gateway.http_port}/aggregator?layout={layout}"
        with urllib.request.urlopen(url, timeout=10) as response:
            assert response.headers["Content-Type"] == "application/json"
            return json.load(response)

    def fetch_nodes(self) -> pb.InfrastructureModel:
        """Return the nodes over gRPC."""
        return fetch_infrastructure(f"127.0.0.1:{self.gateway.grpc_port}", None)[0]


@pytest.fixture(scope="module", params=CASE_NAMES)
def case(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningParityCase]:
    """A running parity case."""
    name: str = request.param
    text = read_exposition(name)
    now_seconds = round(time.time(), 3)
    with (
        run_prometheus_with_data(
            [ScrapedExposition(text, read_scrape_time_seconds(name)), ScrapedExposition(text, now_seconds)]
        ) as url,
        run_gateway(
            tmp_path_factory.mktemp(name), PROMETHEUS_ADDRESS=url, REFRESH_INTERVAL="3600", MAX_STALE="7200"
        ) as gateway,
    ):
        wait_until(lambda: send_request(gateway.http_port, "/readyz").status == 200, "the first refresh")
        yield RunningParityCase(name, url, now_seconds, gateway)


def test_http_matches_the_go_service(case: RunningParityCase) -> None:
    """The response contains every value of the Go service, except for listed differences."""
    document = case.fetch_document("1.2.5")
    if case.name in CASES_WITHOUT_GO_RESPONSE:
        assert document["cluster"]
        return
    # The case was scraped again, therefore its timestamp differs; another test checks it.
    assert (
        find_json_differences(read_go_response(case.name), document).keys() - {AGE_PATH, OLDEST_TIMESTAMP_PATH}
        == HTTP_DIFFERENCES[case.name].keys()
    )


@pytest.mark.parametrize("layout", ["1.2.5", "2025"])
def test_http_matches_the_golden_files(case: RunningParityCase, layout: str) -> None:
    """The document of the running gateway equals the golden file, except for the timestamps."""
    document = case.fetch_document(layout)
    expected = json.loads(render_golden_files(case.name)[f"{case.name}.{layout}.json"])
    timestamp = document.pop("timestamp")
    expected.pop("timestamp")
    assert document == expected
    assert timestamp["oldestTimestamp"] == case.scraped_at_seconds
    assert 0 <= timestamp["timeSinceOldest"] < 120


def test_grpc_matches_the_go_service(case: RunningParityCase) -> None:
    """The nodes over gRPC equal those of the Go service, or of the golden file where that service merges nodes."""
    nodes = extract_nodes(case.fetch_nodes())
    if case.name not in GRPC_DIFFERENCES:
        assert nodes == extract_go_nodes(case.name)
    ids = [
        line.split('"')[1]
        for line in render_golden_files(case.name)[f"{case.name}.etim.txt"].decode().splitlines()
        if line.startswith("  id: ")
    ]
    assert sorted(ids) == [node_id for node_id, *_ in nodes]


def test_the_recorded_responses_match_prometheus(case: RunningParityCase) -> None:
    """The recorded responses equal those of Prometheus to the queries of the catalog."""
    client = PrometheusClient(UpstreamAddress(case.prometheus_url), QUERY_LIMITS)
    at_seconds = read_scrape_time_seconds(case.name) + DOCUMENT_AGE_SECONDS
    responses = {
        row.name: {
            "promql": row.expression.text,
            "answer": json.loads(client.query(row.expression.text, at_seconds).decompress()),
        }
        for row in CATALOG
    }
    client.close()
    with_samples = {name: response for name, response in responses.items() if response["answer"]["data"]["result"]}
    assert format_responses(with_samples) == format_responses(dict(load_recorded_responses(case.name))), (
        f"run `{RECORD_COMMAND}`"
    )


def test_the_log_contains_no_errors(case: RunningParityCase) -> None:
    """The log contains no errors and the number of nodes."""
    lines = case.gateway.read_log_entries()
    assert not [line for line in lines if line["level"] == "error"]
    assert case.gateway.find_events("refresh succeeded")[0]["nodes"] == len(case.fetch_nodes().nodes)


def test_all_cases_are_tested() -> None:
    """Every recorded exposition is a case."""
    folder = Path(__file__).parents[1] / "data" / "parity"
    assert len(CASE_NAMES) == len(list(folder.glob("*.prom"))) == 8
