"""The state of a screen is its address: it can be sent to others, and the browser goes back and forward in it."""

import re
from urllib.parse import quote

import pytest
from playwright.sync_api import Page, expect

from tests.ui.browsers import OpenSession
from tests.ui.screens import find_pod, wait_until_complete

WIDE = {"width": 1280, "height": 800}


def read_table(page: Page) -> list[str]:
    """Return the names in the rows of a table, in their order."""
    return page.locator(".table-scroller tbody tr[data-index] a").all_inner_texts()


def read_headers(page: Page) -> list[str]:
    """Return the columns of a table."""
    return page.locator(".table-scroller thead th").all_inner_texts()


def test_an_address_shows_the_same_to_others(open_page: OpenSession, small_url: str) -> None:
    """What somebody has filtered, sorted, chosen and selected is in the address, and another browser shows it."""
    mine, other = (open_page(small_url, viewport=WIDE) for _ in range(2))
    page = mine.page
    mine.open("/ui/pods")
    wait_until_complete(page)
    all_count = len(read_table(page))
    page.get_by_label("Filter", exact=True).fill("namespace=kube-system")
    page.get_by_role("button", name="Apply").first.click()
    expect(page).to_have_url(re.compile("filter=namespace"))
    wait_until_complete(page)
    page.locator("thead").get_by_role("button").first.click()
    expect(page).to_have_url(re.compile("sort="))
    page.locator("summary").get_by_text("Columns").click()
    page.get_by_role("checkbox").first.click()
    page.keyboard.press("Escape")
    page.locator(".table-scroller tbody tr[data-index='0'] a").focus()
    page.keyboard.press("Space")
    heading = page.get_by_role("complementary").get_by_role("heading", level=2)
    expect(heading).to_be_visible()
    assert 0 < len(read_table(page)) < all_count
    other.open(page.url.removeprefix(small_url))
    wait_until_complete(other.page)
    expect(other.page.get_by_role("complementary").get_by_role("heading", level=2)).to_have_text(
        heading.text_content() or ""
    )
    assert read_table(other.page) == read_table(page)
    assert read_headers(other.page) == read_headers(page)


def test_back_and_forward(open_page: OpenSession, small_url: str) -> None:
    """Back undoes a filter and leaves a screen, forward does both again."""
    session = open_page(small_url)
    page = session.page
    heading = page.get_by_role("heading", level=1)
    session.open("/ui/nodes")
    wait_until_complete(page)
    name = read_table(page)[0]
    page.get_by_label("Filter", exact=True).fill(f"name={name}")
    page.keyboard.press("Enter")
    expect(page.locator(".table-scroller tbody tr[data-index]")).to_have_count(1)
    page.get_by_role("link", name=name, exact=True).click()
    expect(heading).to_contain_text(name)
    page.go_back()
    expect(heading).to_have_text("Nodes")
    expect(page.get_by_label("Filter", exact=True)).to_have_value(f"name={name}")
    page.go_back()
    expect(page.get_by_label("Filter", exact=True)).to_have_value("")
    expect(page.locator(".table-scroller tbody tr[data-index]")).to_have_count(2)
    page.go_forward()
    expect(page.locator(".table-scroller tbody tr[data-index]")).to_have_count(1)
    page.go_forward()
    expect(heading).to_contain_text(name)


def test_a_click_beside_the_page_is_a_new_tab(open_page: OpenSession, small_url: str) -> None:
    """Links are links: a click with Ctrl opens the object in a new tab, which shows it."""
    session = open_page(small_url)
    session.open("/ui/nodes")
    link = session.page.locator(".table-scroller tbody tr[data-index='0'] a")
    name = link.inner_text()
    with session.page.context.expect_page() as opened:
        link.click(modifiers=["Control"])
    expect(opened.value.get_by_role("heading", level=1)).to_contain_text(name)
    expect(session.page.get_by_role("heading", level=1)).to_have_text("Nodes")


@pytest.mark.parametrize("screen", ["nodes", "pods", "containers", "clusters", "map"])
def test_errors_of_a_filter_are_at_its_field(open_page: OpenSession, small_url: str, screen: str) -> None:
    """What the API says of a filter is at the field that contains it, with similar fields."""
    session = open_page(small_url)
    session.expect_errors("status of 400")
    session.open(f"/ui/{screen}?filter={quote('nam=1')}")
    field = session.page.get_by_label("Filter", exact=True)
    expect(field).to_have_attribute("aria-invalid", "true")
    expect(field).to_have_accessible_description(re.compile("nam"))
    expect(session.page.locator(".field-problem")).to_contain_text("name")
    expect(session.page.get_by_role("alert")).to_have_count(1)


def test_errors_of_a_label_selector_are_at_its_field(open_page: OpenSession, small_url: str) -> None:
    """An invalid label selector is reported at the selector, not at the filter."""
    session = open_page(small_url)
    session.expect_errors("status of 400")
    session.open(f"/ui/nodes?labels={quote('zone in (')}")
    expect(session.page.get_by_label("Labels", exact=True)).to_have_attribute("aria-invalid", "true")
    expect(session.page.get_by_label("Filter", exact=True)).to_have_attribute("aria-invalid", "false")


def test_an_object_is_the_same_on_all_screens(open_page: OpenSession, small_url: str) -> None:
    """The link of a node to the map selects the node there."""
    session = open_page(small_url, viewport=WIDE)
    names = find_pod(small_url)
    session.open(names.build_path("node"))
    session.page.get_by_role("link", name="On the map").click()
    expect(session.page.get_by_role("treegrid").get_by_role("row", selected=True)).to_contain_text(names.node)
