"""The addresses of the page, and when a screen is complete."""

from dataclasses import dataclass
from urllib.parse import quote, urlsplit

from playwright.sync_api import Page

from tests.support.http_client import send_request

# By name, with what an address contains of the objects of a gateway.
SCREEN_PATHS = {
    "overview": "/ui/overview",
    "map": "/ui/map",
    "clusters": "/ui/clusters",
    "nodes": "/ui/nodes",
    "pods": "/ui/pods",
    "containers": "/ui/containers",
    "cluster": "/ui/clusters/{cluster}",
    "node": "/ui/clusters/{cluster}/nodes/{node}",
    "pod": "/ui/clusters/{cluster}/pods/{namespace}/{pod}",
    "world": "/ui/world",
    "compare": "/ui/compare",
    "candidates": "/ui/candidates",
    "quality": "/ui/quality",
}
_IS_COMPLETE = """
() => document.querySelector("main h1") !== null
    && document.querySelector(".loading, [aria-busy=true]") === null
    && document.querySelector(".page-header .data-age")?.textContent !== "No data yet"
"""


@dataclass(frozen=True)
class ObjectNames:
    """The names of a pod, and of what it is in."""

    cluster: str
    node: str
    namespace: str
    pod: str

    def build_path(self, screen: str) -> str:
        """Return the address of a screen; where it is about one object, about this one."""
        return SCREEN_PATHS[screen].format_map({name: quote(text, safe="") for name, text in vars(self).items()})


def find_pod(url: str, **fields: str) -> ObjectNames:
    """Return the names of the first pod on a node that a gateway knows, among those with these fields."""
    pods = send_request(urlsplit(url).port or 0, "/api/v1/pods").json()["pods"]
    pod = next(pod for pod in pods if pod.get("node") and fields.items() <= pod.items())
    return ObjectNames(pod["cluster"], pod["node"], pod["namespace"], pod["name"])


def wait_until_complete(page: Page) -> None:
    """Wait until nothing of the screen is being loaded any longer."""
    page.wait_for_function(_IS_COMPLETE)
