"""The scrape target of the demo, asked over HTTP."""

import urllib.error
import urllib.request

import pytest

from demo.exporter import exporting
from demo.fleet import Fleet, exposition

FLEET = Fleet.of(nodes=10, pods_per_node=2)


def test_it_serves_the_fleet_of_now() -> None:
    """The text at /metrics is the exposition at the time of the clock, in the format Prometheus asks for."""
    with (
        exporting(FLEET, now=lambda: 1_795_176_000.0) as target,
        urllib.request.urlopen(f"http://{target}/metrics", timeout=5) as answer,
    ):
        assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
        assert answer.read().decode() == exposition(FLEET, 1_795_176_000.0)


def test_it_has_no_other_path() -> None:
    """Anything but /metrics is not found."""
    with exporting(FLEET) as target, pytest.raises(urllib.error.HTTPError, match="404") as refused:
        urllib.request.urlopen(f"http://{target}/", timeout=5)
    refused.value.close()
