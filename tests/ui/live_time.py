"""The page shows past instants, and compares two: both are addresses."""

import re
import time
from datetime import UTC, datetime

import pytest
from playwright.sync_api import Page, expect

from tests.ui.browsers import OpenSession
from tests.ui.fleet_upstream import FleetUpstream
from tests.ui.screens import wait_until_complete
from tests.ui.stream_proxy import run_stream_proxy

WIDE = {"width": 1280, "height": 800}
# On a full minute, as the steps of the slider.
PAST = int(time.time()) // 60 * 60 - 1800


def format_instant(seconds: int) -> str:
    """Return an instant as in addresses."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def record_past_without(upstream: FleetUpstream, host: str) -> None:
    """Let the fleet have been without a host at PAST, which it has now."""
    upstream.hide(host)
    upstream.record_past(PAST)
    upstream.show(host)


def go_to_slider(page: Page) -> None:
    """Open the slider with its key, and focus it."""
    page.keyboard.press("t")
    slider = page.get_by_role("slider", name="Time shown")
    slider.focus()
    expect(slider).to_have_attribute("aria-valuetext", "now")


def test_the_instant_is_in_the_address_of_every_screen(
    open_page: OpenSession, upstream: FleetUpstream, live_url: str
) -> None:
    """An address with `time=` shows what was then, links keep it, and nothing current is requested or shown."""
    host = upstream.fleet.hosts[1].name
    record_past_without(upstream, host)
    with run_stream_proxy(live_url) as proxy:
        session = open_page(proxy.url, viewport=WIDE)
        page = session.page
        session.open(f"/ui/nodes?time={format_instant(PAST)}")
        wait_until_complete(page)
        bar = page.get_by_role("region", name="Time")
        expect(bar).to_contain_text("As it was at")
        expect(page.get_by_role("link", name=upstream.fleet.hosts[0].name, exact=True)).to_be_visible()
        expect(page.get_by_role("link", name=host, exact=True)).to_have_count(0)
        page.get_by_role("navigation", name="Screens").get_by_role("link", name="Overview").click()
        expect(page).to_have_url(re.compile(r"/ui/overview\?time="))
        wait_until_complete(page)
        expect(bar).to_be_visible()
        # The fields of a kind are those of the gateway, at any time.
        data = [target for target in proxy.targets if target.startswith("/api/v1/") and "/fields/" not in target]
    assert data
    assert [target for target in data if "time=" not in target] == []


def test_back_to_live(open_page: OpenSession, upstream: FleetUpstream, live_url: str) -> None:
    """The bar leads back to what is now, and the browser goes back to the past instant."""
    host = upstream.fleet.hosts[1].name
    record_past_without(upstream, host)
    session = open_page(live_url, viewport=WIDE)
    page = session.page
    link = page.get_by_role("link", name=host, exact=True)
    session.open(f"/ui/nodes?time={format_instant(PAST)}")
    wait_until_complete(page)
    expect(link).to_have_count(0)
    page.get_by_role("link", name="Back to live").click()
    expect(page).to_have_url(f"{live_url}/ui/nodes")
    expect(link).to_be_visible()
    page.go_back()
    expect(link).to_have_count(0)


def test_the_slider_follows_the_keyboard(open_page: OpenSession, live_url: str) -> None:
    """An arrow on the slider shows the instant one step earlier; the one before the data is called missing."""
    session = open_page(live_url, viewport=WIDE)
    session.expect_errors("status of 404")
    page = session.page
    session.open("/ui/nodes")
    wait_until_complete(page)
    go_to_slider(page)
    page.keyboard.press("ArrowLeft")
    expect(page).to_have_url(re.compile("time="))
    expect(page.get_by_role("region", name="Time")).to_contain_text("As it was at")
    page.get_by_role("slider", name="Time shown").focus()
    page.keyboard.press("Home")
    expect(page.get_by_role("main").get_by_role("alert")).to_contain_text("have no data of any cluster")
    page.get_by_role("main").get_by_role("link", name="Show what is now").click()
    expect(page).not_to_have_url(re.compile("time="))
    expect(page.get_by_role("heading", level=1)).to_have_text("Nodes")


@pytest.mark.parametrize(("text", "reason"), [("nonsense", "must be a time"), ("2999-01-01T00:00:00Z", "future")])
def test_an_invalid_time_is_explained(open_page: OpenSession, small_url: str, text: str, reason: str) -> None:
    """A time that is none, or in the future, is reported with the reason that the gateway gives."""
    session = open_page(small_url)
    session.expect_errors("status of 400")
    session.open(f"/ui/pods?time={text}")
    expect(session.page.get_by_role("main").get_by_role("alert")).to_contain_text(reason)


def test_an_instant_that_cannot_be_collected_is_asked_for_again(
    open_page: OpenSession, upstream: FleetUpstream, live_url: str
) -> None:
    """While Prometheus fails, a banner says that there is no topology of the instant; then it comes by itself."""
    upstream.record_past(PAST)
    session = open_page(live_url, viewport=WIDE)
    session.expect_errors("status of 503")
    upstream.is_failing = True
    session.open(f"/ui/nodes?time={format_instant(PAST)}")
    banner = session.page.get_by_role("alert").filter(has_text="no topology at")
    expect(banner).to_contain_text("next attempt in")
    upstream.is_failing = False
    expect(session.page.get_by_role("link", name=upstream.fleet.hosts[0].name, exact=True)).to_be_visible()
    expect(banner).to_have_count(0)


def test_two_instants_are_compared(open_page: OpenSession, upstream: FleetUpstream, live_url: str) -> None:
    """The comparison lists an added node below its cluster; its link shows the node."""
    host = upstream.fleet.hosts[1]
    record_past_without(upstream, host.name)
    session = open_page(live_url, viewport=WIDE)
    page = session.page
    session.open(f"/ui/compare?from={format_instant(PAST)}&kind=nodes&changes=structure")
    changes = page.get_by_role("treegrid", name="Changes")
    expect(changes.get_by_role("row").filter(has_text=host.cluster.name).first).to_contain_text("added")
    added = changes.get_by_role("row").filter(has=page.get_by_role("link", name=host.name, exact=True))
    expect(added).to_contain_text("added")
    added.get_by_role("link").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text(host.name)


def test_a_changed_value_is_shown_with_the_old_one(
    open_page: OpenSession, upstream: FleetUpstream, live_url: str
) -> None:
    """With measurements, a changed node has a row for each changed field, with the values of both instants."""
    upstream.record_past(PAST)
    session = open_page(live_url, viewport=WIDE)
    page = session.page
    session.open(f"/ui/compare?from={format_instant(PAST)}&kind=nodes&changes=all")
    changes = page.get_by_role("treegrid", name="Changes")
    field = changes.get_by_role("row", level=4).first
    cells = field.get_by_role("gridcell")
    expect(cells).to_have_count(3)
    _name, before, after = cells.all_inner_texts()
    assert before != after
