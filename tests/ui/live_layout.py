"""What opens is whole, also at the edge of a window and on a telephone."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, Page

from tests.ui.browsers import OpenSession, wait_until_drawn
from tests.ui.screens import wait_until_complete

NARROW = {"width": 360, "height": 740}
WIDE = {"width": 1280, "height": 800}
# What is wider than its place, of the elements that have text of their own.
FIND_CUT = """element => [...element.querySelectorAll("*")]
    .filter(one => one.scrollWidth > one.clientWidth + 1 && getComputedStyle(one).display !== "inline")
    .map(one => one.textContent)"""


def open_columns(page: Page) -> Locator:
    """Open the list of columns, which is the longest menu."""
    page.locator("summary").get_by_text("Columns").click()
    return page.locator(".menu[open] .menu-items")


def open_completions(page: Page) -> Locator:
    """Ask for fields with long names."""
    page.get_by_label("Filter", exact=True).fill("memory_usage")
    completions = page.get_by_role("listbox", name="Completions")
    completions.get_by_role("option", name="memory_usage_predicted_percent").wait_for()
    return completions


@pytest.mark.parametrize("open_list", [open_columns, open_completions], ids=lambda function: function.__name__)
def test_lists_that_open_are_in_the_window(
    open_page: OpenSession, small_url: str, open_list: Callable[[Page], Locator]
) -> None:
    """A menu and completions end within the window, and cut no text."""
    session = open_page(small_url, viewport=NARROW)
    session.open("/ui/nodes")
    wait_until_complete(session.page)
    opened = open_list(session.page)
    box = opened.bounding_box()
    assert box is not None
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= NARROW["width"]
    assert box["y"] + box["height"] <= NARROW["height"]
    assert opened.evaluate(FIND_CUT) == []


def test_the_tooltip_of_the_map_is_readable_at_every_edge(open_page: OpenSession, small_url: str) -> None:
    """Wherever the pointer is on the map, the facts beside it are within the window and not under the pointer."""
    session = open_page(small_url, viewport=WIDE)
    page = session.page
    session.open("/ui/map")
    wait_until_complete(page)
    canvas = page.locator(".zoom-canvas").bounding_box()
    assert canvas is not None
    for across, down in ((0.05, 0.1), (0.95, 0.1), (0.05, 0.9), (0.8, 0.9)):
        x, y = canvas["x"] + canvas["width"] * across, canvas["y"] + canvas["height"] * down
        page.mouse.move(x, y)
        page.locator(".canvas-tooltip dl").wait_for()
        tooltip = page.locator(".canvas-tooltip").bounding_box()
        assert tooltip is not None
        assert tooltip["width"] > tooltip["height"] / 2, tooltip
        assert 0 <= tooltip["y"] <= tooltip["y"] + tooltip["height"] <= WIDE["height"]
        assert not (
            tooltip["x"] <= x <= tooltip["x"] + tooltip["width"]
            and tooltip["y"] <= y <= tooltip["y"] + tooltip["height"]
        )


HAS_COLOUR = """([canvas, swatch]) => {
    const [red, green, blue] = getComputedStyle(swatch).backgroundColor.match(/\\d+/g).map(Number);
    const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    for (let at = 0; at < data.length; at += 4)
        if (data[at] === red && data[at + 1] === green && data[at + 2] === blue) return true;
    return false;
}"""


def test_the_map_keeps_its_colours_where_colours_are_forced(open_page: OpenSession, small_url: str) -> None:
    """With the forced colours of a contrast theme, the map has the colour that its legend has for what is well."""
    session = open_page(small_url, viewport=WIDE, forced_colors="active")
    page = session.page
    session.open("/ui/map")
    wait_until_complete(page)
    wait_until_drawn(page)
    elements = [page.locator(".zoom-canvas canvas").first, page.locator(".legend .swatch.ok").first]
    assert page.evaluate(HAS_COLOUR, [element.element_handle() for element in elements])
