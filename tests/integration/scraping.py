"""A real Prometheus that scrapes a gateway's own metrics."""

import json
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

from demo import prometheus
from demo.prometheus import Binaries
from tests.integration.process import until


def assert_scraped(folder: Path, targets: list[str], binaries: Binaries | None = None) -> None:
    """Fail unless a Prometheus of these binaries takes the metrics of all targets (host:port) without complaint."""
    with prometheus.running(folder, prometheus.scrape_config(targets), binaries=binaries) as url:
        until(lambda: _values(url, "sum(up)") == [len(targets)], "all targets are scraped")
        scraped = _get(url, "/api/v1/targets")["activeTargets"]
        assert [target["lastError"] for target in scraped] == [""] * len(targets)
        assert _values(url, "count(aggregator_build_info)")[0] >= 1
        assert _values(url, 'sum(aggregator_queries_total{result="ok"})')[0] > 0
        assert _values(url, "histogram_quantile(0.5, sum by (le) (http_request_duration_seconds_bucket))")
        types = _get(url, "/api/v1/metadata")
        # From OpenMetrics, Prometheus 2 keeps the name of the family.
        of_requests = types.get("http_requests_total") or types["http_requests"]
        assert of_requests[0]["type"] == "counter"
        assert types["aggregator_topology_objects"][0]["type"] == "gauge"


def _values(url: str, query: str) -> list[float]:
    result = _get(url, f"/api/v1/query?query={urllib.parse.quote(query)}")["result"]
    return [float(sample["value"][1]) for sample in result]


def _get(url: str, path: str) -> Any:
    with urllib.request.urlopen(f"{url}{path}", timeout=10) as answer:  # noqa: S310 - a server of ours on loopback
        return json.load(answer)["data"]
