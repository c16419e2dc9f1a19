"""Take the screenshots of README.md and docs/web-page.md: python -m tests.ui.screenshots [--url URL].

Without a URL, it runs the demo. The files differ each time, because the fleet lives.
"""

import argparse
import contextlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from playwright.sync_api import Browser

from demo.prometheus import find_free_port
from tests.integration.gateway_process import wait_until
from tests.support.http_client import send_request
from tests.ui.browsers import open_session, run_chromium, wait_until_drawn
from tests.ui.screens import ObjectNames, wait_until_complete
from tools.code import ROOT

FOLDER = ROOT / "docs" / "images"
# So that the text can be read where the documentation is shown at half the width of a window.
VIEWPORT = {"width": 1120, "height": 700}
DEMO_TIMEOUT_SECONDS = 180.0
POD_HEALTHS = ("failed", "warning", "ok", "unknown")


@dataclass(frozen=True)
class Screenshot:
    """A screen in one theme."""

    name: str
    path: str
    theme: str


def main() -> None:
    """Write the files, and print their names and sizes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", help="of a running gateway, instead of the demo")
    url = parser.parse_args().url
    FOLDER.mkdir(exist_ok=True)
    with run_demo() if url is None else contextlib.nullcontext(url) as address, run_chromium() as browser:
        for screenshot in list_screenshots(address):
            path = take_screenshot(browser, address, screenshot)
            print(f"{path.relative_to(ROOT)} {path.stat().st_size // 1000} kB")


@contextlib.contextmanager
def run_demo() -> Iterator[str]:
    """Run the demo on free ports while the block runs; return the URL of its gateway once it has nodes."""
    port = find_free_port()
    environment = {**os.environ, "HTTP_PORT": str(port), "GRPC_PORT": str(find_free_port()), "AGENT_PORT": "0"}
    with (
        tempfile.TemporaryFile() as log,
        subprocess.Popen([sys.executable, "-m", "demo"], cwd=ROOT, env=environment, stdout=log, stderr=log) as demo,
    ):
        try:
            wait_until(lambda: is_ready(port), "the demo is ready", DEMO_TIMEOUT_SECONDS)
            yield f"http://127.0.0.1:{port}"
        finally:
            demo.terminate()


def is_ready(port: int) -> bool:
    """Return whether the gateway at a port serves a topology."""
    with contextlib.suppress(OSError):
        return send_request(port, "/readyz").status == 200
    return False


def list_screenshots(url: str) -> list[Screenshot]:
    """Return what to show: one pod, if possible one with a problem."""
    return [
        Screenshot("overview-light", "/ui/overview", "light"),
        Screenshot("overview-dark", "/ui/overview", "dark"),
        Screenshot("nodes", "/ui/nodes", "light"),
        Screenshot("map", "/ui/map", "dark"),
        Screenshot("pod", find_worst_pod(url).build_path("pod"), "light"),
    ]


def find_worst_pod(url: str) -> ObjectNames:
    """Return the names of a pod with the worst health, of those that have a namespace and a node."""
    columns = send_request(urlsplit(url).port or 80, "/api/v1/summary/pods").json()["columns"]

    def read(column: str, row: int) -> str:
        found = columns[column]
        return (found["values"][row] if "values" in found else found["names"][found["indexes"][row]]) or ""

    rows = [row for row in range(len(columns["name"]["values"])) if read("namespace", row) and read("node", row)]
    worst = min(rows, key=lambda row: POD_HEALTHS.index(read("health", row)))
    return ObjectNames(*(read(column, worst) for column in ("cluster", "node", "namespace", "name")))


def take_screenshot(browser: Browser, url: str, screenshot: Screenshot) -> Path:
    """Write the file of a screenshot."""
    with open_session(browser, url, viewport=VIEWPORT, color_scheme=screenshot.theme) as session:
        session.open(screenshot.path)
        wait_until_complete(session.page)
        wait_until_drawn(session.page)
        path = FOLDER / f"{screenshot.name}.png"
        session.page.screenshot(path=path)
        return path


if __name__ == "__main__":
    main()
