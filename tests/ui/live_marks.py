"""Rows that appear, vanish and change are marked for a while, and nothing moves because of that."""

import time

from playwright.sync_api import Locator, Page, expect

from tests.ui.browsers import OpenSession
from tests.ui.fleet_upstream import FleetUpstream
from tests.ui.live_accessibility import check_in_all_looks
from tests.ui.screens import wait_until_complete

# All rows are in the document.
TALL = {"width": 1280, "height": 1800}
# Sorted by name, a row keeps its place whatever its state is.
NODES_PATH = "/ui/nodes?sort=cluster,name"
LIST_PLACES = """
rows => rows.map(row => [row.querySelector("a").textContent, row.offsetTop, row.offsetHeight])
"""


def find_row(page: Page, name: str) -> Locator:
    """Return the row of a table whose link has this name."""
    return page.locator(".table-scroller tbody tr").filter(has=page.get_by_role("link", name=name, exact=True))


def list_places(page: Page) -> list[tuple[str, int, int]]:
    """Return the name, place and height of each row."""
    places: list[tuple[str, int, int]] = page.locator(".table-scroller tbody tr[data-index]").evaluate_all(LIST_PLACES)
    return places


def test_a_node_that_leaves_is_marked(open_page: OpenSession, upstream: FleetUpstream, live_url: str) -> None:
    """The health of a node that leaves is marked with what it was, in its row, and no row moves."""
    session = open_page(live_url, viewport=TALL)
    page = session.page
    session.open(NODES_PATH)
    wait_until_complete(page)
    places = list_places(page)
    name = upstream.fleet.hosts[1].name
    expect(find_row(page, name).locator("td.changed")).to_have_count(0)
    upstream.hide(name)
    changed = find_row(page, name).locator("td.changed").filter(has_text="gone")
    expect(changed).to_contain_text("was ok)")
    expect(changed).to_have_attribute("title", changed.get_attribute("data-change") or "")
    assert list_places(page) == places


def test_a_pod_that_changes_its_phase(open_page: OpenSession, upstream: FleetUpstream, live_url: str) -> None:
    """A changed phase is marked with the phase before, and a measurement that changes as well is not."""
    session = open_page(live_url, viewport=TALL)
    page = session.page
    session.open("/ui/pods?sort=cluster,name&columns=name,phase,cpuUsageCores,memoryBytes")
    wait_until_complete(page)
    # Behind the name and the measurements.
    phases = page.locator(".table-scroller tbody tr td:nth-child(4)")
    expect(phases.filter(has_text="Running").first).to_be_visible()
    expect(page.locator("td.changed")).to_have_count(0)
    upstream.swap("Running", "Pending")
    expect(phases.filter(has_text="Pending (changed").first).to_contain_text("was Running)")
    assert page.locator("td.changed:not(:nth-child(4))").count() == 0


def test_pods_that_vanish_and_return(open_page: OpenSession, upstream: FleetUpstream, live_url: str) -> None:
    """Pods of a node that leaves stay as no longer reported although nobody reads the table; back, they are new."""
    session = open_page(live_url, viewport=TALL)
    page = session.page
    host = next(host for host in upstream.fleet.hosts[1:] if host.cluster_index)
    pod = next(iter(upstream.fleet.generate_pods(host, time.time()))).name
    session.open("/ui/pods?sort=cluster,name")
    wait_until_complete(page)
    places = list_places(page)
    row = find_row(page, pod)
    expect(row).to_be_visible()
    upstream.hide(host.name)
    expect(row).to_contain_text("no longer reported")
    assert list_places(page) == places
    upstream.show(host.name)
    expect(row.locator(".new-mark")).to_have_text("new")
    assert list_places(page) == places


def test_marks_are_accessible(open_page: OpenSession, upstream: FleetUpstream, live_url: str) -> None:
    """A table with changed, new and vanished rows has no violation, in both themes and at both widths."""
    session = open_page(live_url, viewport=TALL)
    page = session.page
    first, second = [host.name for host in upstream.fleet.hosts if host.cluster_index][:2]
    upstream.hide(first)
    session.open("/ui/pods?sort=cluster,name&columns=phase,restartCount,node")
    wait_until_complete(page)
    expect(page.locator("tbody td").filter(has_text=second).first).to_be_attached()
    expect(page.locator("tbody td").filter(has_text=first)).to_have_count(0)
    upstream.show(first)
    upstream.hide(second)
    upstream.swap("Running", "Pending")
    for mark in (".new-mark", "td.changed", "tr.gone"):
        page.locator(mark).first.wait_for(state="attached")
    check_in_all_looks(session)


def test_a_past_instant_has_no_marks(open_page: OpenSession, upstream: FleetUpstream, live_url: str) -> None:
    """Going to a past instant, when a node was missing, marks nothing."""
    past = int(time.time()) // 60 * 60 - 1800
    upstream.hide(upstream.fleet.hosts[1].name)
    upstream.record_past(past)
    upstream.show(upstream.fleet.hosts[1].name)
    session = open_page(live_url, viewport=TALL)
    page = session.page
    session.open("/ui/nodes")
    wait_until_complete(page)
    session.open(f"/ui/nodes?time={past}")
    wait_until_complete(page)
    expect(find_row(page, upstream.fleet.hosts[0].name)).to_be_visible()
    assert page.locator(".new-mark, td.changed, tr.gone").count() == 0
