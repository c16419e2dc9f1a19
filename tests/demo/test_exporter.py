"""The scrape targets of the demo over HTTP."""

import functools
import urllib.error
import urllib.request

import pytest

from demo.exporter import run_exporter
from demo.targets import ScrapeTarget


def render(name: str, at_seconds: float) -> str:
    """Return an exposition that says which target it is from, and when."""
    return f"{name} {at_seconds}\n"


TARGETS = [ScrapeTarget(f"/{name}/metrics", {}, functools.partial(render, name)) for name in ("a", "b")]


@pytest.mark.parametrize("name", ["a", "b"])
def test_each_target_is_served_at_its_path(name: str) -> None:
    """The path of a target returns its exposition at the time of the clock, in the format of Prometheus."""
    with (
        run_exporter(TARGETS, now=lambda: 1_795_176_000.0) as address,
        urllib.request.urlopen(f"http://{address}/{name}/metrics", timeout=5) as response,
    ):
        assert response.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
        assert response.read().decode() == f"{name} 1795176000.0\n"


def test_other_paths_are_not_found() -> None:
    """Other paths are not found."""
    with run_exporter(TARGETS) as target, pytest.raises(urllib.error.HTTPError, match="404") as error_info:
        urllib.request.urlopen(f"http://{target}/", timeout=5)
    error_info.value.close()
