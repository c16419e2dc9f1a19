"""All tabs share one stream of changes; without a stream, the page polls."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.integration.gateway_process import wait_until
from tests.ui.browsers import OpenSession
from tests.ui.fleet_upstream import FleetUpstream
from tests.ui.screens import wait_until_complete
from tests.ui.stream_proxy import WATCH_PATH, StreamProxy, run_stream_proxy

WIDE = {"width": 1280, "height": 800}
# More than the longest pause before a stream is tried again.
RETRY_TIMEOUT_SECONDS = 90.0


@pytest.fixture
def proxy(live_url: str) -> Iterator[StreamProxy]:
    """A proxy in front of a gateway that refreshes as often as it can."""
    with run_stream_proxy(live_url) as running:
        yield running


def wait_for_stream(page: Page, proxy: StreamProxy) -> None:
    """Wait until a stream is open. The page works meanwhile: it would stand still in a plain loop."""

    def is_open() -> bool:
        page.evaluate("0")
        return len(proxy.streams) == 1

    wait_until(is_open, "a stream is open", RETRY_TIMEOUT_SECONDS)


def test_tabs_share_one_stream(open_page: OpenSession, upstream: FleetUpstream, proxy: StreamProxy) -> None:
    """Two tabs with different screens show a change by one stream, and no request is held."""
    session = open_page(proxy.url, viewport=WIDE)
    session.open("/ui/nodes")
    wait_until_complete(session.page)
    other = session.page.context.new_page()
    other.goto(f"{proxy.url}/ui/overview")
    wait_until_complete(other)
    wait_for_stream(session.page, proxy)
    name = upstream.fleet.hosts[1].name
    upstream.hide(name)
    for page in (session.page, other):
        page.bring_to_front()
        expect(page.get_by_role("main")).to_contain_text("gone")
    assert len(proxy.streams) == 1
    requests = [target for target in proxy.targets if target.startswith("/api/v1/")]
    assert any(target.startswith(WATCH_PATH) for target in requests)
    assert [target for target in requests if "wait=" in target] == []


def test_a_past_instant_has_no_stream(open_page: OpenSession, upstream: FleetUpstream, proxy: StreamProxy) -> None:
    """The stream is closed while all that is shown is of a past instant, and opened again for what is now."""
    session = open_page(proxy.url, viewport=WIDE)
    session.expect_errors("status of 404")
    page = session.page
    session.open("/ui/nodes")
    wait_for_stream(page, proxy)
    page.keyboard.press("t")
    page.keyboard.press(",")
    page.get_by_text("As it was at").wait_for()
    wait_until(lambda: page.evaluate("true") and not proxy.streams, "the stream is closed")
    page.get_by_role("link", name="Back to live").click()
    wait_for_stream(page, proxy)
    expect(page.get_by_role("link", name=upstream.fleet.hosts[0].name, exact=True)).to_be_visible()


def test_a_stream_that_is_cut(open_page: OpenSession, upstream: FleetUpstream, proxy: StreamProxy) -> None:
    """Without streams the page still shows changes, reports no outage, and opens one as soon as it can."""
    session = open_page(proxy.url, viewport=WIDE)
    session.expect_errors("Failed to load resource")
    page = session.page
    session.open("/ui/nodes")
    wait_until_complete(page)
    wait_for_stream(page, proxy)
    proxy.refuses_streams = True
    proxy.cut_streams()
    upstream.hide(upstream.fleet.hosts[1].name)
    expect(page.get_by_role("main")).to_contain_text("gone")
    expect(page.get_by_role("alert")).to_have_count(0)
    assert not proxy.streams
    proxy.refuses_streams = False
    wait_for_stream(page, proxy)
    upstream.show(upstream.fleet.hosts[1].name)
    expect(page.get_by_role("main")).not_to_contain_text("gone")


def test_the_slider_marks_what_was_watched(open_page: OpenSession, upstream: FleetUpstream, proxy: StreamProxy) -> None:
    """A change while the page is open is marked on the slider, and its button leads there."""
    session = open_page(proxy.url, viewport=WIDE)
    session.expect_errors("status of 404")
    page = session.page
    session.open("/ui/nodes?span=1h")
    wait_for_stream(page, proxy)
    previous = page.get_by_role("button", name="Previous change")
    upstream.advance()
    expect(page.locator(".time-marks .quiet, .time-marks .changed").first).to_be_attached()
    upstream.hide(upstream.fleet.hosts[1].name)
    expect(page.locator(".time-marks .changed").first).to_be_attached()
    expect(previous).to_be_enabled()
