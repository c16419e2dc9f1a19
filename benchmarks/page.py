"""The web page with a large fleet in Chromium: python -m benchmarks.page [--nodes 2000] [--changes 20] [--interval 10].

It needs the built page, and Chromium or Debian or Ubuntu. The fleet is a recording, whose values change with each
refresh. Times are those of this machine, of which the gateway uses one core, and Chromium all. A refresh of 2,000 nodes
takes some seconds, and so does each change; for memory after many changes, take fewer nodes and a shorter interval.
"""

import argparse
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil
from playwright.sync_api import CDPSession, Page

from benchmarks.cpu_affinity import SERVER_CPU, build_taskset_prefix
from benchmarks.fleet_recording import obtain_recording
from tests.support.http_client import send_request
from tests.ui.browsers import PageSession, open_session, run_chromium
from tests.ui.page_gateways import build_url, run_page_gateway
from tests.ui.screens import wait_until_complete

NODE_COUNT = 2_000
# How often the memory is measured while the data change.
MEMORY_SAMPLES = 4
CHANGES_TIMEOUT_MILLISECONDS = 120_000
LONG_FRAME_MILLISECONDS = 50
PAN_STEPS = 120
ROWS_SELECTOR = ".table-scroller tbody tr[aria-rowindex]"
SUMMARIES = ("clusters", "nodes", "pods")
# What Chromium sends to hosts without encryption.
ACCEPT_ENCODING = ("Accept-Encoding", "gzip, deflate")
VIEWPORT = {"width": 1280, "height": 800}

# Clicks a link, and returns the milliseconds until the frame after the one with the first row of the new screen.
_MEASURE_CLICK = """
([href, rows]) => new Promise(done => {
    const started = performance.now();
    document.querySelector(`nav a[href="${href}"]`).click();
    const look = () => {
        const heading = document.querySelector("main h1")?.textContent.toLowerCase();
        const isThere = href.endsWith(`/${heading}`) && document.querySelector(rows) !== null;
        requestAnimationFrame(isThere ? () => done(performance.now() - started) : look);
    };
    look();
})
"""
_RECORD_FRAMES = """
() => {
    window.frames_ms = [];
    let last = performance.now();
    const note = now => { window.frames_ms.push(now - last); last = now; requestAnimationFrame(note); };
    requestAnimationFrame(note);
}
"""
_TAKE_FRAMES = "() => window.frames_ms.splice(0)"
_TABLE_HAS_CHANGED = "before => document.querySelector('main tbody').textContent !== before"


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nodes", type=int, default=NODE_COUNT, help="how many nodes the fleet has")
    parser.add_argument("--changes", type=int, default=20, help="how many changes of the data to wait for")
    parser.add_argument("--interval", type=float, default=10, help="seconds from one refresh to the next")
    arguments = parser.parse_args()
    with open_large_fleet(arguments.nodes, arguments.interval) as session:
        measure_transfer(session)
        for screen in ("nodes", "pods", "map", "pods", "map"):
            elapsed = session.page.evaluate(_MEASURE_CLICK, [f"/ui/{screen}", ROWS_SELECTOR])
            print(f"from the click to {screen} drawn: {elapsed:.0f} ms")
            wait_until_complete(session.page)
        session.page.evaluate(_RECORD_FRAMES)
        pan_map(session.page)
        report_frames("while panning the map", session.page)
        session.page.get_by_role("navigation", name="Screens").get_by_role("link", name="Nodes").click()
        wait_until_complete(session.page)
        measure_changes(session, arguments.changes)


@contextmanager
def open_large_fleet(nodes: int = NODE_COUNT, interval_seconds: float = 10) -> Iterator[PageSession]:
    """Open the overview of a fleet with this number of nodes while the block runs."""
    address = f"replay:{obtain_recording(nodes)}#speed=max"
    interval = f"{interval_seconds:g}"
    with (
        tempfile.TemporaryDirectory() as folder,
        run_page_gateway(Path(folder), address, build_taskset_prefix(SERVER_CPU), REFRESH_INTERVAL=interval) as gateway,
        run_chromium() as browser,
        open_session(browser, build_url(gateway), viewport=VIEWPORT) as session,
    ):
        session.open("/ui/overview")
        wait_until_complete(session.page)
        yield session


def measure_transfer(session: PageSession) -> None:
    """Print what the first visit of the overview transfers."""
    files = session.page.evaluate(
        "performance.getEntries().filter(e => e.transferSize).map(e => e.transferSize).reduce((a, b) => a + b, 0)"
    )
    print(f"files of the page: {files / 1000:.0f} kB")
    port = urlsplit(session.url).port or 0
    for kind in SUMMARIES:
        size = len(send_request(port, f"/api/v1/summary/{kind}", headers=[ACCEPT_ENCODING]).body)
        print(f"summary of {kind}: {size / 1000:.0f} kB")


def pan_map(page: Page) -> None:
    """Drag the map, zoomed in, in small steps."""
    box = page.locator("canvas").first.bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.wheel(0, -600)
    page.evaluate(_TAKE_FRAMES)
    page.mouse.down()
    page.mouse.move(x - 200, y - 100, steps=PAN_STEPS)
    page.mouse.move(x + 200, y + 100, steps=PAN_STEPS)
    page.mouse.up()


def measure_changes(session: PageSession, count: int) -> None:
    """Print the frames and the memory of the page while the data change."""
    debugger = session.page.context.new_cdp_session(session.page)
    session.page.evaluate(_TAKE_FRAMES)
    for number in range(count + 1):
        if number % -(-count // MEMORY_SAMPLES) == 0 or number == count:
            heap, processes = measure_heap(debugger), measure_renderers()
            print(
                f"after {number} changes: heap of the page {heap:.1f} MB, all renderers {processes:.0f} MB", flush=True
            )
        if number < count:
            text = session.page.locator("main tbody").text_content()
            session.page.wait_for_function(_TABLE_HAS_CHANGED, arg=text, timeout=CHANGES_TIMEOUT_MILLISECONDS)
    report_frames(f"during {count} changes of the data", session.page)


def measure_heap(debugger: CDPSession) -> float:
    """Return the size of the objects of the page that are in use, in MB."""
    debugger.send("HeapProfiler.collectGarbage")
    usage: dict[str, Any] = debugger.send("Runtime.getHeapUsage")
    return float(usage["usedSize"]) / 1e6


def measure_renderers() -> float:
    """Return the memory that only Chromium's renderers have, in MB: the page, and the worker that keeps the data."""
    renderers = (each for each in psutil.Process().children(recursive=True) if "--type=renderer" in each.cmdline())
    return sum(each.memory_full_info().uss for each in renderers) / 1e6


def report_frames(when: str, page: Page) -> None:
    """Print how long the frames since the last report took."""
    frames = sorted(page.evaluate(_TAKE_FRAMES))
    long_count = sum(frame > LONG_FRAME_MILLISECONDS for frame in frames)
    median = frames[len(frames) // 2]
    print(
        f"{when}: {len(frames)} frames, median {median:.0f} ms, longest {frames[-1]:.0f} ms, over 50 ms: {long_count}"
    )


if __name__ == "__main__":
    main()
