"""Scrapes the metrics of a gateway with a real Prometheus."""

import json
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

from demo import prometheus
from demo.prometheus import PrometheusBinaries
from tests.integration.gateway_process import wait_until


def assert_scrapable(folder: Path, targets: list[str], binaries: PrometheusBinaries | None = None) -> None:
    """Fail unless a Prometheus scrapes the metrics of all targets (host:port) without errors."""
    with prometheus.run_prometheus(folder, prometheus.build_scrape_config(targets), binaries=binaries) as url:
        wait_until(lambda: _query_values(url, "sum(up)") == [len(targets)], "all targets are scraped")
        scraped = _get_json(url, "/api/v1/targets")["activeTargets"]
        assert [target["lastError"] for target in scraped] == [""] * len(targets)
        assert _query_values(url, "count(aggregator_build_info)")[0] >= 1
        assert _query_values(url, 'sum(aggregator_queries_total{result="ok"})')[0] > 0
        assert _query_values(url, "histogram_quantile(0.5, sum by (le) (http_request_duration_seconds_bucket))")
        types = _get_json(url, "/api/v1/metadata")
        # For OpenMetrics, Prometheus 2 stores the metadata under the name of the family.
        request_metadata = types.get("http_requests_total") or types["http_requests"]
        assert request_metadata[0]["type"] == "counter"
        assert types["aggregator_topology_objects"][0]["type"] == "gauge"


def _query_values(url: str, query: str) -> list[float]:
    result = _get_json(url, f"/api/v1/query?query={urllib.parse.quote(query)}")["result"]
    return [float(sample["value"][1]) for sample in result]


def _get_json(url: str, path: str) -> Any:
    with urllib.request.urlopen(f"{url}{path}", timeout=10) as response:  # noqa: S310 - a server of the test on loopback
        return json.load(response)["data"]
