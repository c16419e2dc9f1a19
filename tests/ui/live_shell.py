"""The shell of the page in a real browser: it loads without any other host, and every screen has an address."""

import pytest
from playwright.sync_api import expect

from aggregator.server.http.ui import SCREENS
from tests.integration.gateway_process import wait_until
from tests.support.http_client import send_request
from tests.ui.browsers import OpenSession
from tests.ui.fleet_upstream import FleetUpstream

HOSTILE_NAME = '<img src=x onerror="alert(1)">'


@pytest.mark.parametrize("screen", ["", *sorted(SCREENS)])
def test_every_screen_loads_by_its_address(open_page: OpenSession, small_url: str, screen: str) -> None:
    """An address that is opened directly shows its screen, without an error and without a request to another host."""
    session = open_page(small_url)
    session.open(f"/ui/{screen}".removesuffix("/"))
    expect(session.page.get_by_role("heading", level=1)).to_have_text((screen or "overview").capitalize())
    here = session.page.get_by_role("navigation", name="Screens").locator("[aria-current=page]")
    expect(here).to_have_text((screen or "overview").capitalize())


def test_every_link_of_the_navigation_is_an_address(open_page: OpenSession, small_url: str) -> None:
    """The gateway knows each address that the navigation leads to, and there is no screen without a link."""
    session = open_page(small_url)
    session.open()
    links = session.page.get_by_role("navigation").first.get_by_role("link")
    expect(links.first).to_be_visible()
    paths = [link.get_attribute("href") or "" for link in links.all()]
    assert {path.partition("?")[0] for path in paths} == {f"/ui/{screen}" for screen in SCREENS}


def test_files_are_requested_once(open_page: OpenSession, small_url: str) -> None:
    """The second visit takes the scripts and styles from the cache of the browser."""
    session = open_page(small_url)
    session.open()
    session.open()
    sizes = session.page.evaluate(
        "performance.getEntriesByType('resource').filter(e => e.name.includes('/ui/assets/')).map(e => e.transferSize)"
    )
    assert len(sizes) > 1
    assert set(sizes) == {0}


def test_the_page_without_a_token_shows_no_data(open_page: OpenSession, guarded_url: str) -> None:
    """Where tokens are required, every screen asks for one instead of showing data."""
    session = open_page(guarded_url)
    session.expect_errors("status of 401")
    for screen in sorted(SCREENS):
        session.open(f"/ui/{screen}")
        expect(session.page.get_by_role("heading", level=1)).to_have_text("Sign in")
        expect(session.page.get_by_label("Token")).to_be_editable()
        assert "icos-" not in session.page.content()


def test_a_changed_fleet_is_served(upstream: FleetUpstream, live_url: str) -> None:
    """The fleet of the tests follows their changes: a hidden host is missed, a renamed one has its new name."""
    port = int(live_url.rpartition(":")[2])
    hidden, renamed = (host.name for host in upstream.fleet.hosts[1:3])
    upstream.hide(hidden)
    upstream.rename(renamed, HOSTILE_NAME)

    def has_changed() -> bool:
        answer = send_request(port, "/api/v1/nodes")
        is_complete = answer.headers["X-Topology-Complete"] == "true"
        return HOSTILE_NAME in {node["name"] for node in answer.json()["nodes"]} and not is_complete

    wait_until(has_changed, "the changes are in the topology")
