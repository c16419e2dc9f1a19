"""Conditional requests and content coding: known documents are not sent again, and large ones are compressed."""

import asyncio
import gzip
import threading
from collections.abc import Sequence

import pytest
import zstandard

from aggregator.models.grant import UNRESTRICTED
from aggregator.models.topology import Cluster, Node, Topology, add_version
from aggregator.refresh.snapshot import Snapshot
from aggregator.server.auth.guard import Access
from aggregator.server.http.documents import parse_wait_seconds
from aggregator.views.renderers import RENDERERS
from tests.integration.gateway_process import wait_until
from tests.server.auth.signed_tokens import FakeRealm
from tests.server.running_servers import ServerPorts, run_servers
from tests.server.snapshot_provider import FAILED_GAP, TOPOLOGY, FakeSnapshotProvider, build_snapshot
from tests.support.http_client import ClientResponse, send_request

VIEWS_BY_PATH = {"/": "1.2.5", "/aggregator": "1.2.5", "/?layout=2025": "2025", "/api/v1/topology": "v1"}
WAIT_TIMEOUT_SECONDS = 20.0
OTHER_TOPOLOGY = add_version(Topology(clusters={"other": Cluster(key="other", uid="o")}))
# Large enough to be packed.
LARGE_TOPOLOGY = add_version(
    Topology(
        clusters={"c": Cluster(key="c", uid="u", type="ocm")},
        nodes={("c", f"n{at}"): Node(cluster="c", key=f"n{at}", name=f"n{at}") for at in range(100)},
    )
)


def get_cache_headers(answer: ClientResponse, *names: str) -> dict[str, str | None]:
    """Return some headers of a response."""
    return {name: answer.headers.get(name) for name in names}


@pytest.mark.parametrize("path", VIEWS_BY_PATH)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_known_document_is_not_sent_again(ports: ServerPorts, path: str, method: str) -> None:
    """If-None-Match with the current tag gets 304: the same headers, no body, no length."""
    first = send_request(ports.http, path)
    again = send_request(ports.http, path, method, headers=[("If-None-Match", first.headers["ETag"])])
    assert (again.status, again.body) == (304, b"")
    assert "Content-Length" not in again.headers
    names = ("ETag", "Vary", "Cache-Control", "X-Topology-Version", "X-Topology-Complete", "Age")
    assert get_cache_headers(again, *names) == get_cache_headers(first, *names)


@pytest.mark.parametrize("path", VIEWS_BY_PATH)
def test_the_tag_is_version_and_view(ports: ServerPorts, path: str) -> None:
    """The entity tag is strong, and consists of the topology version and the view."""
    answer = send_request(ports.http, path)
    assert answer.headers["ETag"] == f'"{TOPOLOGY.version}-{VIEWS_BY_PATH[path]}"'
    assert answer.headers["X-Topology-Version"] == TOPOLOGY.version


@pytest.mark.parametrize(
    "sent", ["{}", "W/{}", '"a", {}', '{} , "b"', '"a",W/{},"b"', "*", " * "], ids=lambda sent: sent.strip()
)
def test_tags_are_compared_weakly(ports: ServerPorts, sent: str) -> None:
    """A list of tags matches if it contains the current one, weak or strong, and so does the wildcard."""
    tag = send_request(ports.http).headers["ETag"]
    assert send_request(ports.http, headers=[("If-None-Match", sent.format(tag))]).status == 304


@pytest.mark.parametrize("sent", ['"a"', "", "{}x", '"{}', "W/", '"*"'])
def test_other_tags_get_the_document(ports: ServerPorts, sent: str) -> None:
    """An unknown or malformed tag gets the document."""
    unquoted = send_request(ports.http).headers["ETag"].strip('"')
    assert send_request(ports.http, headers=[("If-None-Match", sent.format(unquoted))]).status == 200


def test_a_post_gets_the_document(ports: ServerPorts) -> None:
    """POST, which old clients use, gets the document in spite of If-None-Match."""
    tag = send_request(ports.http).headers["ETag"]
    assert send_request(ports.http, method="POST", headers=[("If-None-Match", tag)]).status == 200


def test_new_content_is_sent(source: FakeSnapshotProvider, ports: ServerPorts) -> None:
    """A tag of another version gets the current document."""
    tag = send_request(ports.http).headers["ETag"]
    source.current_snapshot = build_snapshot(topology=OTHER_TOPOLOGY)
    answer = send_request(ports.http, headers=[("If-None-Match", tag)])
    assert (answer.status, answer.headers["X-Topology-Version"]) == (200, OTHER_TOPOLOGY.version)


def test_after_a_failed_refresh_ages_are_new(source: FakeSnapshotProvider, ports: ServerPorts) -> None:
    """After a failed refresh the documents have new ages, so the old tag gets them."""
    tag = send_request(ports.http).headers["ETag"]
    source.current_snapshot = source.current_snapshot.copy_as_stale((FAILED_GAP,), 1_795_208_299.0)
    answer = send_request(ports.http, headers=[("If-None-Match", tag)])
    assert (answer.status, answer.headers["X-Topology-Complete"]) == (200, "false")
    assert answer.headers["ETag"] != tag


@pytest.mark.parametrize("path", VIEWS_BY_PATH)
@pytest.mark.parametrize(("coding", "unpack"), [("gzip", gzip.decompress), ("zstd", zstandard.decompress)])
def test_documents_are_compressed(
    source: FakeSnapshotProvider, ports: ServerPorts, path: str, coding: str, unpack: object
) -> None:
    """With Accept-Encoding a client gets the compressed document, with its own tag."""
    source.current_snapshot = build_snapshot(topology=LARGE_TOPOLOGY)
    plain, packed = (
        send_request(ports.http, path),
        send_request(ports.http, path, headers=[("Accept-Encoding", coding)]),
    )
    assert packed.headers["Content-Encoding"] == coding
    assert packed.headers["Content-Length"] == str(len(packed.body))
    assert unpack(packed.body) == plain.body  # type: ignore[operator] # one of the two above
    assert len(packed.body) < len(plain.body) / 2
    assert packed.headers["ETag"] == f'{plain.headers["ETag"][:-1]}+{coding}"'
    assert plain.headers["Vary"] == packed.headers["Vary"] == "accept-encoding"


def test_the_tag_of_a_compressed_document_matches(source: FakeSnapshotProvider, ports: ServerPorts) -> None:
    """A client with the compressed document gets 304 without Accept-Encoding, too."""
    source.current_snapshot = build_snapshot(topology=LARGE_TOPOLOGY)
    tag = send_request(ports.http, headers=[("Accept-Encoding", "gzip")]).headers["ETag"]
    assert send_request(ports.http, headers=[("If-None-Match", tag)]).status == 304


def test_small_documents_are_not_compressed(ports: ServerPorts) -> None:
    """A document that fits into one packet is not compressed."""
    answer = send_request(ports.http, "/api/v1/topology", headers=[("Accept-Encoding", "gzip")])
    assert "Content-Encoding" not in answer.headers


def test_documents_are_compressed_once(source: FakeSnapshotProvider, ports: ServerPorts) -> None:
    """Two clients with the same coding get the same object."""
    source.current_snapshot = build_snapshot(topology=LARGE_TOPOLOGY)
    for _ in range(2):
        send_request(ports.http, headers=[("Accept-Encoding", "gzip")])
    rendered_topology = source.current_snapshot.rendered_topology
    assert rendered_topology.get_body("1.2.5", "gzip") is rendered_topology.get_body("1.2.5", "gzip")
    assert {(form.view, form.coding) for form in rendered_topology.requested_formats} == {
        ("1.2.5", ""),
        ("1.2.5", "gzip"),
    }


@pytest.mark.parametrize("path", VIEWS_BY_PATH)
def test_a_long_poll_ends_with_a_change(source: FakeSnapshotProvider, ports: ServerPorts, path: str) -> None:
    """A long poll gets the next document as soon as it differs, not before."""
    tag = send_request(ports.http, path).headers["ETag"]
    answers: list[ClientResponse] = []
    waiting = f"{path}{'&' if '?' in path else '?'}wait=30s"
    thread = threading.Thread(
        target=lambda: answers.append(send_request(ports.http, waiting, headers=[("If-None-Match", tag)]))
    )
    thread.start()
    publish_when_awaited(source, build_snapshot())
    publish_when_awaited(source, build_snapshot(topology=OTHER_TOPOLOGY))
    thread.join(WAIT_TIMEOUT_SECONDS)
    assert (answers[0].status, answers[0].body) == (
        200,
        RENDERERS[VIEWS_BY_PATH[path]](OTHER_TOPOLOGY, source.current_snapshot.rendered_topology.reference_seconds),
    )


def publish_when_awaited(source: FakeSnapshotProvider, new_snapshot: Snapshot) -> None:
    """Publish a snapshot when a request waits for one."""
    wait_until(lambda: source.waiters, "somebody waits")
    source.publish(new_snapshot)


def test_a_long_poll_times_out(source: FakeSnapshotProvider, ports: ServerPorts) -> None:
    """Without a change the response is 304 after the request has waited."""
    tag = send_request(ports.http).headers["ETag"]
    answer = send_request(ports.http, "/?wait=200ms", headers=[("If-None-Match", tag)])
    assert answer.status == 304
    assert source.wait_count


def test_a_long_poll_ends_at_shutdown(source: FakeSnapshotProvider, ports: ServerPorts) -> None:
    """At shutdown no request waits any longer."""
    tag = send_request(ports.http).headers["ETag"]
    source.is_stopping = True
    assert send_request(ports.http, "/?wait=60s", headers=[("If-None-Match", tag)]).status == 304


class ExpiringGuard:
    """A guard whose tokens expire while a request waits."""

    async def authorize(self, authorization: Sequence[bytes]) -> Access:
        """Grant everything for 0.2 seconds."""
        return Access(UNRESTRICTED, asyncio.get_running_loop().time() + 0.2)


@pytest.mark.parametrize("path", ["/", "/api/v1/topology", "/api/v1/nodes"])
def test_a_long_poll_ends_with_its_token(path: str) -> None:
    """A long poll does not outlive its token: when the token expires, the response is 401."""
    source = FakeSnapshotProvider()
    with run_servers(source, ExpiringGuard()) as ports:
        tag = send_request(ports.http, path).headers["ETag"]
        answer = send_request(ports.http, f"{path}?wait=30s", headers=[("If-None-Match", tag)])
        assert answer.status == 401
        assert answer.headers["WWW-Authenticate"] == 'Bearer realm="aggregator", error="invalid_token"'
        assert send_request(ports.http, f"{path}?wait=1ms", headers=[("If-None-Match", tag)]).status == 304


def test_an_unknown_tag_does_not_wait(ports: ServerPorts) -> None:
    """Without If-None-Match, or with another tag, the response comes immediately."""
    assert send_request(ports.http, "/?wait=60s").status == 200
    assert send_request(ports.http, "/?wait=60s", headers=[("If-None-Match", '"other"')]).status == 200


@pytest.mark.parametrize("path", ["/", "/x", "/api/v1/topology"])
@pytest.mark.parametrize(
    "wait", ["soon", "-1s", "61s", "2m", "1h", "1e3", "NaN", "%D9%A3s", "30%20s", "0x1", "9999999"]
)
def test_an_invalid_wait_is_refused(ports: ServerPorts, path: str, wait: str) -> None:
    """An invalid `wait`, or one longer than a minute, gets 400 with what is expected."""
    answer = send_request(ports.http, f"{path}?wait={wait}")
    assert answer.status == 400
    assert "wait must be a duration of at most 60s" in answer.body.decode()


@pytest.mark.parametrize(
    ("text", "seconds"), [("30s", 30.0), ("30", 30.0), ("1m", 60.0), ("500ms", 0.5), ("1.5s", 1.5), ("0", 0.0)]
)
def test_valid_waits(text: str, seconds: float) -> None:
    """`wait` is a number of seconds, optionally with ms, s or m."""
    assert parse_wait_seconds(text) == seconds


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
def test_the_v1_document_is_read_only(ports: ServerPorts, method: str) -> None:
    """Methods except GET and HEAD get 405, with these two in Allow."""
    answer = send_request(ports.http, "/api/v1/topology", method)
    assert (answer.status, answer.headers["Allow"]) == (405, "GET, HEAD")


def test_responses_vary_by_token(guarded: ServerPorts, realm: FakeRealm) -> None:
    """With tokens, Vary contains authorization."""
    answer = send_request(guarded.http, headers=[("Authorization", f"Bearer {realm.issue_token()}")])
    assert answer.headers["Vary"] == "accept-encoding, authorization"
