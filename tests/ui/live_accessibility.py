"""Every screen follows WCAG 2.2 AA as far as axe can tell, light and dark, on a telephone and on a desk."""

import time
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, ViewportSize, expect

from tests.ui.browsers import OpenSession, PageSession
from tests.ui.fleet_upstream import FleetUpstream
from tests.ui.screens import SCREEN_PATHS, find_pod, wait_until_complete

WIDE: ViewportSize = {"width": 1280, "height": 800}
NARROW: ViewportSize = {"width": 360, "height": 740}
# What is left of WIDE with a zoom of 200 %.
ZOOMED: ViewportSize = {"width": 640, "height": 400}
HAS_OVERFLOW = "document.documentElement.scrollWidth > innerWidth"


@pytest.mark.parametrize("screen", SCREEN_PATHS)
def test_screens_are_accessible(open_page: OpenSession, small_url: str, screen: str) -> None:
    """A screen has no violation in both themes and at both widths, and never scrolls sideways, also with zoom."""
    session = open_page(small_url)
    session.open(find_pod(small_url).build_path(screen))
    wait_until_complete(session.page)
    check_in_all_looks(session)


@pytest.mark.parametrize("fleet", ["medium_url", "large_url"])
def test_screens_of_large_fleets_are_accessible(
    open_page: OpenSession, request: pytest.FixtureRequest, fleet: str
) -> None:
    """The main screens have no violation either with 200 nodes and 3,000 pods, and with ten times as many."""
    url: str = request.getfixturevalue(fleet)
    session = open_page(url, viewport=WIDE)
    problems = []
    for screen in ("overview", "map", "nodes", "candidates", "quality"):
        session.open(SCREEN_PATHS[screen])
        wait_until_complete(session.page)
        problems += [f"{screen}: {violation}" for violation in session.find_violations()]
    assert not problems, "\n".join(problems)


def open_palette(page: Page) -> None:
    """Search for something that is there."""
    page.keyboard.press(":")
    page.get_by_role("combobox", name="Search").fill("a")
    page.get_by_role("dialog").get_by_role("option").first.wait_for()


def open_completions(page: Page) -> None:
    """Ask for the fields of the filter."""
    page.keyboard.press("/")
    page.keyboard.type("a")
    page.get_by_role("listbox", name="Completions").get_by_role("option").first.wait_for()


def open_panel(page: Page) -> None:
    """Select the first row of the table."""
    page.locator(".table-scroller tbody tr[data-index='0'] a").focus()
    page.keyboard.press("Space")
    page.locator(".side-panel dl").first.wait_for()


def open_columns(page: Page) -> None:
    """Open the list of columns."""
    page.locator("summary").get_by_text("Columns").click()
    page.get_by_role("checkbox").first.wait_for()


def open_help(page: Page) -> None:
    """List the keys."""
    page.keyboard.press("?")
    page.get_by_role("dialog").get_by_role("heading", name="Keyboard").wait_for()


def write_invalid_filter(page: Page) -> None:
    """Apply a filter with an unknown field."""
    page.keyboard.press("/")
    page.keyboard.type("nonsense=1")
    page.keyboard.press("Enter")
    page.locator(".field-problem").wait_for()


@pytest.mark.parametrize(
    "prepare",
    [open_palette, open_completions, open_panel, open_columns, open_help, write_invalid_filter],
    ids=lambda function: function.__name__,
)
def test_what_opens_is_accessible(open_page: OpenSession, small_url: str, prepare: Callable[[Page], None]) -> None:
    """What opens over a table or beside it has no violation either, in both themes and at both widths."""
    session = open_page(small_url, viewport=WIDE)
    session.expect_errors("status of 400")
    session.open("/ui/nodes")
    wait_until_complete(session.page)
    prepare(session.page)
    check_in_all_looks(session)


def test_past_instants_are_accessible(open_page: OpenSession, upstream: FleetUpstream, live_url: str) -> None:
    """The bar of a past instant, its errors and a comparison have no violation."""
    upstream.hide(upstream.fleet.hosts[1].name)
    past = int(time.time()) - 1800
    upstream.record_past(past)
    upstream.show(upstream.fleet.hosts[1].name)
    session = open_page(live_url)
    session.expect_errors("status of 404")
    for path in (f"/ui/nodes?time={past}", f"/ui/nodes?time={past - 1}", f"/ui/compare?from={past}&changes=all"):
        session.open(path)
        wait_until_complete(session.page)
        check_in_all_looks(session)


def test_the_form_for_a_token_is_accessible(open_page: OpenSession, guarded_url: str) -> None:
    """What those see who have no token has no violation."""
    session = open_page(guarded_url)
    session.open()
    expect(session.page.get_by_label("Token")).to_be_visible()
    check_in_all_looks(session)


def check_in_all_looks(session: PageSession) -> None:
    """Fail if something breaks a rule, or if the screen is wider than the window."""
    problems = []
    for viewport in (WIDE, NARROW):
        session.page.set_viewport_size(viewport)
        for theme in ("light", "dark"):
            session.page.emulate_media(color_scheme=theme)
            look = f"{theme}, {viewport['width']} px"
            problems += [f"{look}: {violation}" for violation in session.find_violations()]
            if session.page.evaluate(HAS_OVERFLOW):
                problems.append(f"{look}: the screen scrolls sideways")
    session.page.set_viewport_size(ZOOMED)
    if session.page.evaluate(HAS_OVERFLOW):
        problems.append("zoom 200 %: the screen scrolls sideways")
    assert not problems, "\n".join(problems)
