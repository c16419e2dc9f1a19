"""Rates of counters that are scraped more or less often, with a real Prometheus."""

import json
import time
from collections.abc import Mapping

import pytest

from aggregator.models.catalog.promql import rate_per_second
from aggregator.querier.prometheus.client import PrometheusClient, QueryLimits, UpstreamAddress
from demo.prometheus import ScrapedExposition, run_prometheus_with_data

LIMITS = QueryLimits(query_timeout_seconds=10, max_response_bytes=2**20, max_connections=1)
LAST_SCRAPE_AGE_SECONDS = 10
HOUR_SECONDS = 3600
# More than half of the window of the rate, so that most windows contain only one sample.
LONG_INTERVAL_SECONDS = 298
RATE = 1.5


@pytest.fixture(scope="module")
def rates() -> Mapping[str, float]:
    """Return the rates of counters by name."""
    ages_by_counter = {f"every {seconds} s": (seconds, HOUR_SECONDS) for seconds in (15, 60, 120, 240)}
    ages_by_counter |= {
        "rare": (LONG_INTERVAL_SECONDS, HOUR_SECONDS),
        "rare with reset": (LONG_INTERVAL_SECONDS, HOUR_SECONDS),
        "young": (15, 200),
        "young and rare": (LONG_INTERVAL_SECONDS, 2 * LONG_INTERVAL_SECONDS),
    }
    now = time.time()
    lines: dict[float, list[str]] = {}
    for name, (interval_seconds, first_age_seconds) in ages_by_counter.items():
        for age in range(0, first_age_seconds + 1, interval_seconds):
            is_reset = name.endswith("reset") and age == 0
            value = 1 if is_reset else RATE * (HOUR_SECONDS - age)
            lines.setdefault(age, []).append(f'c{{name="{name}"}} {value}')
    scrapes = [
        ScrapedExposition("\n".join(lines[age]) + "\n", now - LAST_SCRAPE_AGE_SECONDS - age)
        for age in sorted(lines, reverse=True)
    ]
    with run_prometheus_with_data(scrapes) as url:
        client = PrometheusClient(UpstreamAddress(url), LIMITS)
        response = client.query(rate_per_second("c").text, now)
        client.close()
    result = json.loads(response.decompress())["data"]["result"]
    return {each["metric"]["name"]: float(each["value"][1]) for each in result}


@pytest.mark.parametrize("name", [*(f"every {seconds} s" for seconds in (15, 60, 120, 240)), "rare"])
def test_the_rate_does_not_depend_on_the_scrape_interval(rates: Mapping[str, float], name: str) -> None:
    """A counter that grows steadily has the same rate, whether it is scraped every 15 seconds or every 5 minutes."""
    assert rates[name] == pytest.approx(RATE, rel=0.01)


@pytest.mark.parametrize("name", ["young", "young and rare"])
def test_young_counters_have_no_rate(rates: Mapping[str, float], name: str) -> None:
    """A counter needs five minutes of history, one with samples minutes apart fifteen."""
    assert name not in rates


def test_a_rate_is_never_negative(rates: Mapping[str, float]) -> None:
    """A counter with samples minutes apart that was reset has no rate until fifteen minutes later."""
    assert "rare with reset" not in rates
