"""When something fails or disappears, the page says so, keeps what it knew, and recovers without a reload."""

import re
import time
from pathlib import Path

from playwright.sync_api import Browser, Locator, Page, expect

from aggregator.server.http.ui import SCREENS
from demo.prometheus import find_free_port
from tests.integration.gateway_process import run_gateway
from tests.server.auth.signed_tokens import FakeRealm
from tests.ui.browsers import OpenSession
from tests.ui.fleet_upstream import FleetUpstream
from tests.ui.fleets import generate_fleet
from tests.ui.page_gateways import LIVE_REFRESH_INTERVAL, build_url, run_page_gateway
from tests.ui.screens import ObjectNames, find_pod, wait_until_complete

FAILED_REQUESTS = "Failed to load resource"
RESTRICTED_CLUSTER = "icos-south"
OTHER_CLUSTER = "icos-north"
# What follows a slash in their names, because addresses contain that otherwise.
OTHER_CLUSTERS = {host.cluster.name.rpartition("/")[2] for host in generate_fleet().hosts} - {RESTRICTED_CLUSTER}
# What screens without names of clusters show: places with their nodes, and why there is nothing.
RESTRICTED_TEXTS = {
    "world": "athens-master",
    "compare": "What has changed since when?",
    "quality": "This screen needs access to all clusters",
}
# Longer than the page needs to show data.
TOKEN_VALID_SECONDS = 25


def find_row(page: Page, name: str) -> Locator:
    """Return the row of a table whose link has this name."""
    return page.locator(".table-scroller tbody tr").filter(has=page.get_by_role("link", name=name, exact=True))


def test_the_gateway_restarts(open_page: OpenSession, upstream: FleetUpstream, tmp_path: Path) -> None:
    """Without the gateway, the table stays and a banner says what is missing; with it, the banner goes by itself."""
    port = str(find_free_port())
    name = upstream.fleet.hosts[0].name
    with run_page_gateway(tmp_path, upstream.url, HTTP_PORT=port) as gateway:
        session = open_page(build_url(gateway))
        session.expect_errors(FAILED_REQUESTS)
        session.open("/ui/nodes")
        expect(find_row(session.page, name)).to_be_visible()
    banner = session.page.get_by_role("alert").filter(has_text="The gateway does not respond")
    expect(banner).to_be_visible()
    expect(banner).to_contain_text("next attempt")
    expect(find_row(session.page, name)).to_be_visible()
    with run_page_gateway(tmp_path, upstream.url, HTTP_PORT=port):
        expect(banner).to_be_hidden()
        expect(find_row(session.page, name)).to_be_visible()


def test_a_screen_is_opened_while_the_gateway_is_down(
    open_page: OpenSession, upstream: FleetUpstream, tmp_path: Path
) -> None:
    """A screen waits for the gateway with its code, appears without a reload, and is not complete in an outage."""
    port = str(find_free_port())
    with run_page_gateway(tmp_path, upstream.url, HTTP_PORT=port) as gateway:
        session = open_page(build_url(gateway))
        session.expect_errors(FAILED_REQUESTS)
        session.open("/ui/nodes")
        expect(find_row(session.page, upstream.fleet.hosts[0].name)).to_be_visible()
    page = session.page
    expect(page.get_by_role("alert").filter(has_text="The gateway does not respond")).to_be_visible()
    page.get_by_role("link", name="Quality").first.click()
    expect(page.get_by_role("main")).to_contain_text("Loading")
    with run_page_gateway(tmp_path, upstream.url, HTTP_PORT=port):
        expect(page.get_by_role("heading", name="Last refresh")).to_be_visible()
        expect(page.get_by_text("Complete: no query failed")).to_be_visible()
    expect(page.get_by_text("Complete: no query failed")).to_be_hidden()


def test_there_is_no_topology_yet(open_page: OpenSession, upstream: FleetUpstream, tmp_path: Path) -> None:
    """Before the first refresh, the page says that there is no topology and what to do, and then shows it."""
    upstream.is_failing = True
    with run_gateway(tmp_path, PROMETHEUS_ADDRESS=upstream.url, REFRESH_INTERVAL=LIVE_REFRESH_INTERVAL) as gateway:
        session = open_page(build_url(gateway))
        session.expect_errors(FAILED_REQUESTS)
        session.open("/ui/overview")
        main = session.page.get_by_role("main")
        expect(session.page.get_by_role("alert")).to_contain_text("topology")
        expect(main).to_contain_text("aggregator doctor")
        upstream.is_failing = False
        expect(main.get_by_role("link", name=upstream.fleet.hosts[0].cluster.name)).to_be_visible()
        expect(session.page.get_by_role("alert")).to_have_count(0)


def test_prometheus_fails(open_page: OpenSession, upstream: FleetUpstream, live_url: str) -> None:
    """While Prometheus fails, the overview says so and keeps the last topology; afterwards it does not."""
    session = open_page(live_url)
    session.open("/ui/overview")
    wait_until_complete(session.page)
    problem = session.page.locator(".findings li").filter(has_text="The last refresh has failed")
    expect(problem).to_have_count(0)
    upstream.is_failing = True
    expect(problem).to_contain_text("HTTP 503")
    expect(session.page.get_by_role("link", name=RESTRICTED_CLUSTER).first).to_be_visible()
    upstream.is_failing = False
    expect(problem).to_have_count(0)


def test_a_node_vanishes_and_returns(open_page: OpenSession, upstream: FleetUpstream, live_url: str) -> None:
    """A node that is missed is on the overview and in its row, the data are called incomplete, until it is back."""
    name = upstream.fleet.hosts[1].name
    overview, table = open_page(live_url), open_page(live_url)
    overview.open("/ui/overview")
    table.open("/ui/nodes")
    wait_until_complete(overview.page)
    row = find_row(table.page, name)
    finding = overview.page.locator(".findings li:not(.resolved)").filter(has_text=f"{name}: gone")
    expect(row).to_be_visible()
    expect(finding).to_have_count(0)
    upstream.hide(name)
    expect(finding).to_be_visible()
    expect(overview.page.get_by_role("link", name="incomplete")).to_be_visible()
    expect(row).to_contain_text("gone")
    upstream.show(name)
    expect(finding).to_have_count(0)
    expect(row).not_to_contain_text("gone")


def test_an_object_disappears_while_its_page_is_open(
    open_page: OpenSession, upstream: FleetUpstream, live_url: str
) -> None:
    """The page of a pod that is gone shows what was known last and since when it is gone; it follows its return."""
    host = next(host for host in upstream.fleet.hosts[1:] if host.cluster_index)
    pod = next(iter(upstream.fleet.generate_pods(host, time.time())))
    names = ObjectNames(host.cluster.name, host.name, pod.app.namespace, pod.name)
    session = open_page(live_url)
    session.expect_errors("status of 404")
    session.open(names.build_path("pod"))
    wait_until_complete(session.page)
    notice = session.page.get_by_text("No longer in the topology since")
    expect(notice).to_be_hidden()
    upstream.hide(host.name)
    expect(notice).to_be_visible()
    expect(session.page.get_by_role("heading", level=1)).to_contain_text(pod.name)
    upstream.show(host.name)
    expect(notice).to_be_hidden()


def test_the_overview_of_a_cluster_that_never_was(open_page: OpenSession, small_url: str) -> None:
    """The overview of an unknown cluster says that there is none, and not that it has no problems."""
    session = open_page(small_url)
    page = session.page
    session.open("/ui/overview?cluster=frankfurtt")
    expect(page.get_by_role("main")).to_contain_text("There is no cluster frankfurtt")
    expect(page.get_by_text("No problems")).to_have_count(0)
    expect(page.get_by_role("link", name="All clusters")).to_be_visible()


def test_an_object_that_never_was(open_page: OpenSession, small_url: str) -> None:
    """The page of an unknown object says that it does not exist, and links to its cluster if that exists."""
    session = open_page(small_url)
    session.expect_errors("status of 404")
    session.open(ObjectNames("nowhere", "nobody", "none", "nothing").build_path("node"))
    expect(session.page.get_by_role("main")).to_contain_text("There is no such node in the topology")
    expect(session.page.locator(".data-age")).to_contain_text("old")
    expect(session.page.get_by_role("link", name="The cluster nowhere")).to_have_count(0)
    known = find_pod(small_url)
    session.open(ObjectNames(known.cluster, "nobody", "none", "nothing").build_path("node"))
    expect(session.page.get_by_role("main")).to_contain_text("There is no such node in the topology")
    session.page.get_by_role("link", name=f"The cluster {known.cluster}").click()
    expect(session.page.get_by_role("heading", level=1)).to_contain_text(known.cluster)


def test_a_screen_that_fails(open_page: OpenSession, small_url: str) -> None:
    """A screen that fails says so, and the navigation leads to the others."""
    session = open_page(small_url)
    page = session.page
    page.route(
        "**/api/v1/candidates", lambda route: route.fulfill(json={"candidates": [None], "totals": {"nodes": "1"}})
    )
    session.open("/ui/candidates")
    expect(page.get_by_role("main")).to_contain_text("This screen has failed")
    page.get_by_role("navigation", name="Screens").get_by_role("link", name="Nodes").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Nodes")


def test_the_worker_dies(open_page: OpenSession, browser: Browser, small_url: str) -> None:
    """When the browser ends the worker, the page starts another one, and its data become current again."""
    session = open_page(small_url)
    session.open("/ui/nodes")
    wait_until_complete(session.page)
    debugger = browser.new_browser_cdp_session()
    targets = debugger.send("Target.getTargets", {"filter": [{"type": "shared_worker"}]})["targetInfos"]
    (worker,) = (target for target in targets if target["url"].startswith(small_url))
    debugger.send("Target.closeTarget", {"targetId": worker["targetId"]})
    debugger.detach()
    age = session.page.locator(".data-age")
    expect(age).to_have_text(re.compile(r"^\d\d s old"))
    expect(age).to_have_text(re.compile(r"^\d s old"))
    expect(session.page.locator(".table-scroller tbody tr[data-index]")).to_have_count(2)


def paste_token(page: Page, token: str) -> None:
    """Sign in with a token."""
    page.get_by_label("Token").fill(token)
    page.get_by_role("button", name="Sign in").click()


def test_a_restricted_token_shows_its_part(open_page: OpenSession, guarded_url: str, realm: FakeRealm) -> None:
    """A token with one cluster shows this cluster, and the others on no screen; the quality is about all of them."""
    session = open_page(guarded_url)
    session.expect_errors("status of 40[13]")
    session.open("/ui/overview")
    paste_token(session.page, realm.issue_token(realm_access={"roles": ["south"]}))
    expect(session.page.get_by_role("link", name=RESTRICTED_CLUSTER).first).to_be_visible()
    for screen in sorted(SCREENS):
        session.page.get_by_role("navigation", name="Screens").get_by_role("link", name=screen.capitalize()).click()
        expect(session.page.get_by_role("heading", level=1)).to_have_text(screen.capitalize())
        wait_until_complete(session.page)
        expect(session.page.get_by_role("main")).to_contain_text(RESTRICTED_TEXTS.get(screen, RESTRICTED_CLUSTER))
        assert {cluster for cluster in OTHER_CLUSTERS if cluster in session.page.content()} == set()


def test_all_tabs_sign_out(open_page: OpenSession, guarded_url: str, realm: FakeRealm) -> None:
    """A new tab has the token of the others, and none of them shows data after one of them has signed out."""
    session = open_page(guarded_url)
    session.expect_errors("status of 401")
    session.open("/ui/clusters")
    paste_token(session.page, realm.issue_token(realm_access={"roles": ["all"]}))
    other = session.page.context.new_page()
    other.goto(session.page.url)
    expect(find_row(other, OTHER_CLUSTER)).to_be_visible()
    session.page.get_by_role("button", name="Sign out").click()
    for page in (session.page, other):
        expect(page.get_by_label("Token")).to_be_visible()
        assert OTHER_CLUSTER not in page.content()


def test_a_refused_token(open_page: OpenSession, guarded_url: str, realm: FakeRealm) -> None:
    """The page says that an expired token is refused, and takes the next one without a reload."""
    session = open_page(guarded_url)
    session.expect_errors("status of 401")
    session.open("/ui/clusters")
    paste_token(session.page, realm.issue_token(now=time.time() - 3600))
    expect(session.page.get_by_role("alert")).to_contain_text("The gateway does not accept the token")
    paste_token(session.page, realm.issue_token(realm_access={"roles": ["all"]}))
    expect(find_row(session.page, OTHER_CLUSTER)).to_be_visible()


def test_a_token_that_no_header_can_contain(open_page: OpenSession, guarded_url: str, realm: FakeRealm) -> None:
    """The page refuses such a token itself, instead of reporting an outage, and takes the next one."""
    session = open_page(guarded_url)
    session.expect_errors("status of 401")
    session.open("/ui/clusters")
    paste_token(session.page, "smörgås")
    expect(session.page.get_by_role("alert")).to_have_text("The token contains characters that are not allowed.")
    paste_token(session.page, realm.issue_token(realm_access={"roles": ["all"]}))
    expect(find_row(session.page, OTHER_CLUSTER)).to_be_visible()


def test_a_token_expires(open_page: OpenSession, guarded_url: str, realm: FakeRealm) -> None:
    """When the token expires, the page asks for another one and shows nothing any longer; then it goes on."""
    session = open_page(guarded_url)
    session.expect_errors("status of 401")
    session.open("/ui/clusters")
    roles = {"roles": ["all"]}
    paste_token(session.page, realm.issue_token(exp=int(time.time()) + TOKEN_VALID_SECONDS, realm_access=roles))
    expect(find_row(session.page, OTHER_CLUSTER)).to_be_visible()
    expect(session.page.get_by_label("Token")).to_be_visible()
    assert OTHER_CLUSTER not in session.page.content()
    paste_token(session.page, realm.issue_token(realm_access=roles))
    expect(find_row(session.page, OTHER_CLUSTER)).to_be_visible()
