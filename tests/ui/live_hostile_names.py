"""Names from telemetry are text: markup, direction marks, slashes and 1,000 characters, on every screen."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from tests.integration.gateway_process import wait_until
from tests.support.http_client import send_request
from tests.ui import fleets
from tests.ui.browsers import OpenSession
from tests.ui.fleet_upstream import run_fleet_upstream
from tests.ui.page_gateways import build_url, run_page_gateway
from tests.ui.screens import SCREEN_PATHS, ObjectNames, find_pod, wait_until_complete

CLUSTER = '<img src=x onerror="alert(1)">'
# Between two slashes, a mark that turns the direction of what follows.
NODE = "a/\u202eb/../c&lt;"
LONG_NODE = "n" * 1000
IMAGE_PREFIX = '"><svg onload=alert(2)>{{7*7}}'
NAMESPACE = "../../api"
SHOWN_NODE = "a/⟨U+202E⟩b/../c&lt;"
# What each screen shows of them; a screen that is not here may show none.
SHOWN = {
    "overview": (CLUSTER,),
    "map": (CLUSTER,),
    "clusters": (CLUSTER,),
    "nodes": (CLUSTER, SHOWN_NODE, "n" * 100),
    "pods": (CLUSTER, SHOWN_NODE, NAMESPACE),
    "containers": (CLUSTER, IMAGE_PREFIX),
    "cluster": (CLUSTER, SHOWN_NODE, "n" * 100),
    "node": (CLUSTER, SHOWN_NODE),
    "pod": (CLUSTER, SHOWN_NODE, NAMESPACE),
}
HAS_OVERFLOW = "document.documentElement.scrollWidth > innerWidth"


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, ObjectNames]]:
    """A gateway of a fleet with hostile names, and the names of a pod of it."""
    with run_fleet_upstream(fleets.generate_small_fleet()) as upstream:
        first, second = upstream.fleet.hosts
        renamed = {
            first.cluster.name: CLUSTER,
            first.name: NODE,
            second.name: LONG_NODE,
            "registry.example": IMAGE_PREFIX,
            "kube-system": NAMESPACE,
        }
        for old, new in renamed.items():
            upstream.rename(old, new)
        with run_page_gateway(tmp_path_factory.mktemp("hostile"), upstream.url) as gateway:

            def has_names() -> bool:
                nodes = send_request(gateway.http_port, "/api/v1/nodes").json()["nodes"]
                return {node["name"] for node in nodes} == {NODE, LONG_NODE}

            wait_until(has_names, "the topology has the names")
            url = build_url(gateway)
            yield url, find_pod(url, namespace=NAMESPACE, node=NODE)


@pytest.mark.parametrize("screen", SCREEN_PATHS)
def test_names_are_text(open_page: OpenSession, hostile: tuple[str, ObjectNames], screen: str) -> None:
    """A screen shows hostile names as what they are: nothing runs, nothing is requested, nothing is turned."""
    url, names = hostile
    session = open_page(url, viewport={"width": 1280, "height": 800})
    session.open(names.build_path(screen))
    wait_until_complete(session.page)
    main = session.page.get_by_role("main")
    for text in SHOWN.get(screen, ()):
        expect(main).to_contain_text(text)
    assert session.page.locator("main img, main svg[onload], main script").count() == 0
    assert "\u202e" not in session.page.content()
    assert not session.page.evaluate(HAS_OVERFLOW)
    session.page.set_viewport_size({"width": 360, "height": 740})
    assert not session.page.evaluate(HAS_OVERFLOW)


def test_links_lead_to_hostile_names(open_page: OpenSession, hostile: tuple[str, ObjectNames]) -> None:
    """A link to an object leads to it, whatever its name contains, also in a new tab."""
    url, _names = hostile
    session = open_page(url)
    session.open("/ui/nodes")
    session.page.get_by_role("link", name=SHOWN_NODE).click()
    heading = session.page.get_by_role("heading", level=1)
    expect(heading).to_contain_text(SHOWN_NODE)
    session.page.reload()
    expect(heading).to_contain_text(SHOWN_NODE)
    expect(session.page.get_by_role("main").get_by_role("link", name=CLUSTER).first).to_be_visible()


def test_the_search_finds_hostile_names(open_page: OpenSession, hostile: tuple[str, ObjectNames]) -> None:
    """The search marks what it finds within a name and leaves the name text."""
    url, _names = hostile
    session = open_page(url)
    session.open()
    wait_until_complete(session.page)
    session.page.keyboard.press(":")
    session.page.get_by_role("combobox", name="Search").fill("<img")
    found = session.page.get_by_role("dialog").get_by_role("option").first
    expect(found).to_contain_text(CLUSTER)
    expect(found.locator("mark").first).to_have_text("<img")
    assert session.page.locator("dialog img").count() == 0
