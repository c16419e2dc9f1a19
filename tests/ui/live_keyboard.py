"""The keyboard alone reaches what the pointer reaches."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.ui.browsers import OpenSession
from tests.ui.screens import SCREEN_PATHS, find_pod, wait_until_complete

WIDE = {"width": 1280, "height": 800}
MAX_TAB_STOPS = 300
# Within these, arrows go from one to the next.
ARROW_GROUPS = ".table-scroller tbody, [role=listbox], [role=treegrid] tbody"
RECORD_FOCUS = """
groups => {
    window.focused = new Set();
    document.addEventListener("focusin", ({ target }) => window.focused.add(target.closest(groups) ?? target));
}
"""
LIST_MISSED = """
groups => {
    const controls = document.querySelectorAll("a[href], button, input, select, textarea, summary, [role=application]");
    const reachable = [...controls].filter(one => !one.disabled && one.checkVisibility({ visibilityProperty: true })
        && one.closest("details:not([open]) > :not(summary)") === null);
    return reachable
        .filter(one => !window.focused.has(one.closest(groups) ?? one))
        .map(one => one.outerHTML.slice(0, 200));
}
"""


@pytest.mark.parametrize("screen", SCREEN_PATHS)
def test_tab_reaches_every_control(open_page: OpenSession, small_url: str, screen: str) -> None:
    """Tab goes to all links, buttons and fields of a screen, to each table once, and out again."""
    session = open_page(small_url, viewport=WIDE)
    page = session.page
    session.open(find_pod(small_url).build_path(screen))
    wait_until_complete(page)
    page.evaluate(RECORD_FOCUS, ARROW_GROUPS)
    for _press in range(MAX_TAB_STOPS):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement === document.body"):
            break
    else:
        pytest.fail("the focus does not leave the screen")
    assert page.evaluate(LIST_MISSED, ARROW_GROUPS) == []


def focus_first_row(page: Page) -> None:
    """Go by Tab from the start of the page to the first row of the table."""
    for _press in range(MAX_TAB_STOPS):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.closest('.table-scroller tbody') !== null"):
            return
    pytest.fail("Tab does not reach the table")


def test_rows_of_a_table(open_page: OpenSession, small_url: str) -> None:
    """Arrows go through the rows, Space shows a row beside the table, Escape closes it, Enter opens the object."""
    session = open_page(small_url, viewport=WIDE)
    page = session.page
    session.open("/ui/pods")
    wait_until_complete(page)
    focus_first_row(page)
    page.keyboard.press("ArrowDown")
    row = page.locator(".table-scroller tbody tr[data-index='1'] a")
    expect(row).to_be_focused()
    name = row.inner_text()
    page.keyboard.press("Space")
    panel = page.get_by_role("complementary")
    expect(panel.get_by_role("heading", level=2)).to_contain_text(name)
    page.keyboard.press("Escape")
    expect(panel).to_be_hidden()
    expect(row).to_be_focused()
    page.keyboard.press("End")
    expect(page.locator(".table-scroller tbody tr").last.get_by_role("link")).to_be_focused()
    page.keyboard.press("Home")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_contain_text(name)


@pytest.mark.parametrize("screen", ["overview", "pods"])
def test_back_leads_to_the_link_that_was_followed(open_page: OpenSession, small_url: str, screen: str) -> None:
    """Who follows a link with Enter and goes back is at that link again, in a table and elsewhere."""
    session = open_page(small_url, viewport=WIDE)
    page = session.page
    session.open(SCREEN_PATHS[screen])
    wait_until_complete(page)
    page.locator(".table-scroller tbody a, .overview-clusters tbody a").first.focus()
    page.keyboard.press("ArrowDown" if screen == "pods" else "Tab")
    link = page.locator("main a:focus")
    href = link.get_attribute("href") or ""
    link.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_be_focused()
    page.go_back()
    expect(page.locator("main a:focus")).to_have_attribute("href", href)


def test_the_focus_stays_in_a_table_whose_rows_are_replaced(open_page: OpenSession, small_url: str) -> None:
    """When another filter leaves no row at the place of the focus, the last row has it, not the page."""
    session = open_page(small_url, viewport=WIDE)
    page = session.page
    session.open("/ui/pods")
    wait_until_complete(page)
    page.get_by_label("Filter", exact=True).fill(f"name={find_pod(small_url).pod}")
    page.keyboard.press("Enter")
    rows = page.locator(".table-scroller tbody tr[data-index]")
    expect(rows).to_have_count(1)
    page.go_back()
    expect(rows.nth(3)).to_be_visible()
    focus_first_row(page)
    for _ in range(3):
        page.keyboard.press("ArrowDown")
    expect(rows.nth(3).get_by_role("link")).to_be_focused()
    page.go_forward()
    expect(rows).to_have_count(1)
    expect(rows.first.get_by_role("link")).to_be_focused()


def test_the_table_of_the_map(open_page: OpenSession, small_url: str) -> None:
    """Arrows open and close what is in the table of the map, Space selects, Enter opens the object."""
    session = open_page(small_url, viewport=WIDE)
    page = session.page
    session.open("/ui/map")
    wait_until_complete(page)
    tree = page.get_by_role("treegrid")
    expect(tree.get_by_role("row").nth(1)).to_be_visible()
    focus_first_row(page)
    cluster = tree.get_by_role("row", expanded=True).or_(tree.get_by_role("row", expanded=False)).first
    page.keyboard.press("ArrowLeft")
    expect(cluster).to_have_attribute("aria-expanded", "false")
    page.keyboard.press("ArrowRight")
    expect(cluster).to_have_attribute("aria-expanded", "true")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Space")
    expect(page).to_have_url(re.compile(r"[?&]sel="))
    selected = tree.get_by_role("row", selected=True)
    expect(selected).to_be_focused()
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(r"/ui/clusters/[^/]+/nodes/"))


def test_single_keys_are_turned_off(open_page: OpenSession, small_url: str) -> None:
    """The help turns shortcuts of a single character off, also after a reload; those with Ctrl work on."""
    session = open_page(small_url)
    page = session.page
    session.open("/ui/nodes")
    wait_until_complete(page)
    page.keyboard.press("?")
    page.get_by_role("checkbox", name="Shortcuts with a single character").uncheck()
    page.keyboard.press("Escape")
    page.reload()
    wait_until_complete(page)
    page.keyboard.press("/")
    expect(page.get_by_label("Filter", exact=True)).not_to_be_focused()
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_be_hidden()
    page.keyboard.press("Control+k")
    expect(page.get_by_role("combobox", name="Search")).to_be_focused()


def test_the_search(open_page: OpenSession, small_url: str) -> None:
    """A colon opens the search, arrows choose, Enter goes there and gives the focus to the new screen."""
    session = open_page(small_url)
    page = session.page
    session.open("/ui/map")
    wait_until_complete(page)
    names = find_pod(small_url)
    page.keyboard.press(":")
    field = page.get_by_role("combobox", name="Search")
    expect(field).to_be_focused()
    page.keyboard.type(names.pod)
    expect(page.get_by_role("dialog").get_by_role("option").filter(has_text=names.pod)).to_be_visible()
    page.keyboard.press("Enter")
    heading = page.get_by_role("heading", level=1)
    expect(heading).to_contain_text(names.pod)
    expect(heading).to_be_focused()
    page.keyboard.press(":")
    expect(field).to_be_focused()
    page.keyboard.press("Escape")
    expect(field).to_be_hidden()


def test_enter_waits_for_what_the_search_finds(open_page: OpenSession, small_url: str) -> None:
    """Enter right after the text opens the best of what is found, not what the list offers before the answer."""
    session = open_page(small_url)
    page = session.page
    session.open("/ui/map")
    wait_until_complete(page)
    names = find_pod(small_url)
    page.keyboard.press(":")
    expect(page.get_by_role("combobox", name="Search")).to_be_focused()
    page.keyboard.insert_text(names.pod)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_contain_text(names.pod)


def test_the_filter_completes(open_page: OpenSession, small_url: str) -> None:
    """A slash goes to the filter, arrows choose a completion, Enter takes it, and once more applies the filter."""
    session = open_page(small_url)
    page = session.page
    session.open("/ui/pods")
    wait_until_complete(page)
    page.keyboard.press("/")
    field = page.get_by_label("Filter", exact=True)
    expect(field).to_be_focused()
    page.keyboard.type("pha")
    expect(page.get_by_role("listbox", name="Completions").get_by_role("option").first).to_be_visible()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(field).to_have_value(re.compile("^phase"))
    field.fill("phase=Failed")
    page.keyboard.press("Escape")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("filter=phase"))


def test_the_keys_are_listed(open_page: OpenSession, small_url: str) -> None:
    """A question mark lists the keys, and Escape closes the list."""
    session = open_page(small_url)
    session.open()
    wait_until_complete(session.page)
    session.page.keyboard.press("?")
    dialog = session.page.get_by_role("dialog")
    expect(dialog).to_contain_text("search everything")
    session.page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
