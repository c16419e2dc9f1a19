"""What the demo asks over HTTP to know how far things are; a server that does not answer yet has said no."""

import json
from http.client import HTTPConnection, HTTPException
from urllib.parse import quote, urlsplit

PATIENCE_SECONDS = 5.0


def has_fleet(prometheus_url: str) -> bool:
    """Whether Prometheus has scraped the fleet at least once."""
    query = quote("count(node_uname_info)")
    return '"value"' in _get(prometheus_url, f"/api/v1/query?query={query}")[1]


def has_topology(gateway_url: str) -> bool:
    """Whether the gateway calls itself ready and its answer has clusters.

    Where a KEY guards the answer we have no token to look with: there readiness has to do.
    """
    if _get(gateway_url, "/readyz")[0] != 200:
        return False
    status, text = _get(gateway_url, "/")
    return status == 401 or (status == 200 and _has_clusters(text))


def _has_clusters(text: str) -> bool:
    try:
        document = json.loads(text)
    except ValueError:
        return False
    return isinstance(document, dict) and bool(document.get("cluster"))


def _get(url: str, path: str) -> tuple[int, str]:
    """Return status and body, or (0, "") without an answer."""
    connection = HTTPConnection(urlsplit(url).netloc, timeout=PATIENCE_SECONDS)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode(errors="replace")
    except (OSError, HTTPException):
        return 0, ""
    finally:
        connection.close()
