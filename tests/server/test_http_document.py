"""Documents over HTTP: what a client has already is not sent again, what is sent is packed if it can be unpacked."""

import gzip
import threading
import time

import pytest
import zstandard

from aggregator.models.topology import Cluster, Node, Topology
from aggregator.models.version import versioned
from aggregator.server.http_document import wait_seconds
from aggregator.snapshot import Snapshot
from aggregator.views import BY_NAME
from tests.integration.process import until
from tests.server.exchange import Answer, ask
from tests.server.serving import Ports
from tests.server.source import GAP, TOPOLOGY, CommandedSource, snapshot
from tests.server.tokens import Realm

VIEWS = {"/": "1.2.5", "/aggregator": "1.2.5", "/?layout=2025": "2025", "/api/v1/topology": "v1"}
WITHIN_SECONDS = 20.0
OTHER = versioned(Topology(clusters={"other": Cluster(key="other", uid="o")}))
# Large enough to be packed.
LARGE = versioned(
    Topology(
        clusters={"c": Cluster(key="c", uid="u", type="ocm")},
        nodes={("c", f"n{at}"): Node(cluster="c", key=f"n{at}", name=f"n{at}") for at in range(100)},
    )
)


def told(answer: Answer, *names: str) -> dict[str, str | None]:
    """Return some headers of an answer."""
    return {name: answer.headers.get(name) for name in names}


@pytest.mark.parametrize("path", VIEWS)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_what_is_known_is_not_sent_again(ports: Ports, path: str, method: str) -> None:
    """If-None-Match with the tag of an answer is answered with 304: the same headers, no body, no length."""
    first = ask(ports.http, path)
    again = ask(ports.http, path, method, headers=[("If-None-Match", first.headers["ETag"])])
    assert (again.status, again.body) == (304, b"")
    assert "Content-Length" not in again.headers
    names = ("ETag", "Vary", "Cache-Control", "X-Topology-Version", "X-Topology-Complete", "Age")
    assert told(again, *names) == told(first, *names)


@pytest.mark.parametrize("path", VIEWS)
def test_the_tag_is_version_and_view(ports: Ports, path: str) -> None:
    """The entity tag is strong, and made of the topology's version and the view."""
    answer = ask(ports.http, path)
    assert answer.headers["ETag"] == f'"{TOPOLOGY.version}-{VIEWS[path]}"'
    assert answer.headers["X-Topology-Version"] == TOPOLOGY.version


@pytest.mark.parametrize(
    "sent", ["{}", "W/{}", '"a", {}', '{} , "b"', '"a",W/{},"b"', "*", " * "], ids=lambda sent: sent.strip()
)
def test_tags_are_compared_weakly(ports: Ports, sent: str) -> None:
    """A list of tags counts if ours is among them, weak or not, and so does the star."""
    tag = ask(ports.http).headers["ETag"]
    assert ask(ports.http, headers=[("If-None-Match", sent.format(tag))]).status == 304


@pytest.mark.parametrize("sent", ['"a"', "", "{}x", '"{}', "W/", '"*"'])
def test_other_tags_are_not_ours(ports: Ports, sent: str) -> None:
    """A tag that is not ours, or is none, gets the document."""
    unquoted = ask(ports.http).headers["ETag"].strip('"')
    assert ask(ports.http, headers=[("If-None-Match", sent.format(unquoted))]).status == 200


def test_a_post_is_always_answered(ports: Ports) -> None:
    """The old clients' POST gets the document, whatever it says it has."""
    tag = ask(ports.http).headers["ETag"]
    assert ask(ports.http, method="POST", headers=[("If-None-Match", tag)]).status == 200


def test_new_content_is_sent(source: CommandedSource, ports: Ports) -> None:
    """A tag of another version gets the document of now."""
    tag = ask(ports.http).headers["ETag"]
    source.shown = snapshot(topology=OTHER)
    answer = ask(ports.http, headers=[("If-None-Match", tag)])
    assert (answer.status, answer.headers["X-Topology-Version"]) == (200, OTHER.version)


def test_after_a_failed_refresh_ages_are_new(source: CommandedSource, ports: Ports) -> None:
    """A topology that is shown again has documents with newer ages, so its old tag gets them."""
    tag = ask(ports.http).headers["ETag"]
    source.shown = source.shown.kept((GAP,), 1_795_208_299.0)
    answer = ask(ports.http, headers=[("If-None-Match", tag)])
    assert (answer.status, answer.headers["X-Topology-Complete"]) == (200, "false")
    assert answer.headers["ETag"] != tag


@pytest.mark.parametrize("path", VIEWS)
@pytest.mark.parametrize(("coding", "unpack"), [("gzip", gzip.decompress), ("zstd", zstandard.decompress)])
def test_documents_are_packed(source: CommandedSource, ports: Ports, path: str, coding: str, unpack: object) -> None:
    """A client that can unpack gets fewer bytes, which are the document's, with a tag of their own."""
    source.shown = snapshot(topology=LARGE)
    plain, packed = ask(ports.http, path), ask(ports.http, path, headers=[("Accept-Encoding", coding)])
    assert packed.headers["Content-Encoding"] == coding
    assert packed.headers["Content-Length"] == str(len(packed.body))
    assert unpack(packed.body) == plain.body  # type: ignore[operator] # one of the two above
    assert len(packed.body) < len(plain.body) / 2
    assert packed.headers["ETag"] == f'{plain.headers["ETag"][:-1]}+{coding}"'
    assert plain.headers["Vary"] == packed.headers["Vary"] == "accept-encoding"


def test_a_tag_counts_however_it_was_packed(source: CommandedSource, ports: Ports) -> None:
    """A client that kept the packed bytes need not ask for packed ones to learn that they are still good."""
    source.shown = snapshot(topology=LARGE)
    tag = ask(ports.http, headers=[("Accept-Encoding", "gzip")]).headers["ETag"]
    assert ask(ports.http, headers=[("If-None-Match", tag)]).status == 304


def test_what_is_small_is_not_packed(ports: Ports) -> None:
    """A document that fits into one packet is sent as it is."""
    answer = ask(ports.http, "/api/v1/topology", headers=[("Accept-Encoding", "gzip")])
    assert "Content-Encoding" not in answer.headers


def test_bytes_are_packed_once(source: CommandedSource, ports: Ports) -> None:
    """Two clients of one coding are given one object."""
    source.shown = snapshot(topology=LARGE)
    for _ in range(2):
        ask(ports.http, headers=[("Accept-Encoding", "gzip")])
    documents = source.shown.documents
    assert documents.body("1.2.5", "gzip") is documents.body("1.2.5", "gzip")
    assert {(form.view, form.coding) for form in documents.wanted} == {("1.2.5", ""), ("1.2.5", "gzip")}


@pytest.mark.parametrize("path", VIEWS)
def test_a_long_poll_ends_with_news(source: CommandedSource, ports: Ports, path: str) -> None:
    """Who knows the document and waits gets the next one as soon as it is there, not before."""
    tag = ask(ports.http, path).headers["ETag"]
    answers: list[Answer] = []
    waiting = f"{path}{'&' if '?' in path else '?'}wait=30s"
    thread = threading.Thread(target=lambda: answers.append(ask(ports.http, waiting, headers=[("If-None-Match", tag)])))
    thread.start()
    show_when_waited_for(source, snapshot())
    show_when_waited_for(source, snapshot(topology=OTHER))
    thread.join(WITHIN_SECONDS)
    assert (answers[0].status, answers[0].body) == (200, BY_NAME[VIEWS[path]](OTHER, source.shown.documents.at_seconds))


def show_when_waited_for(source: CommandedSource, shown: Snapshot) -> None:
    """Show another snapshot once somebody waits for one."""
    until(lambda: source.waiting, "somebody waits")
    source.show(shown)


def test_a_long_poll_ends_when_its_time_is_over(ports: Ports) -> None:
    """Without news the answer is 304, after the time that was asked for."""
    tag = ask(ports.http).headers["ETag"]
    started = time.monotonic()
    answer = ask(ports.http, "/?wait=200ms", headers=[("If-None-Match", tag)])
    assert answer.status == 304
    assert time.monotonic() - started >= 0.2


def test_a_long_poll_ends_at_a_stop(source: CommandedSource, ports: Ports) -> None:
    """When the process is stopping, nobody waits any longer."""
    tag = ask(ports.http).headers["ETag"]
    source.is_stopping = True
    started = time.monotonic()
    assert ask(ports.http, "/?wait=60s", headers=[("If-None-Match", tag)]).status == 304
    assert time.monotonic() - started < 30


def test_who_knows_nothing_does_not_wait(ports: Ports) -> None:
    """Without If-None-Match, or with a tag of another document, the answer comes at once."""
    assert ask(ports.http, "/?wait=60s").status == 200
    assert ask(ports.http, "/?wait=60s", headers=[("If-None-Match", '"other"')]).status == 200


@pytest.mark.parametrize("path", ["/", "/x", "/api/v1/topology"])
@pytest.mark.parametrize(
    "wait", ["soon", "-1s", "61s", "2m", "1h", "1e3", "NaN", "%D9%A3s", "30%20s", "0x1", "9999999"]
)
def test_a_time_that_is_none_is_refused(ports: Ports, path: str, wait: str) -> None:
    """What is no time, or longer than a minute, is answered with 400 and what is expected."""
    answer = ask(ports.http, f"{path}?wait={wait}")
    assert answer.status == 400
    assert "wait must be a time like 30s" in answer.body.decode()


@pytest.mark.parametrize(
    ("text", "seconds"), [("30s", 30.0), ("30", 30.0), ("1m", 60.0), ("500ms", 0.5), ("1.5s", 1.5), ("0", 0.0)]
)
def test_times(text: str, seconds: float) -> None:
    """A time is a number with ms, s or m behind it, or seconds without."""
    assert wait_seconds(text) == seconds


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
def test_the_v1_document_is_only_got(ports: Ports, method: str) -> None:
    """Other methods than GET and HEAD are answered with 405, and with those two in Allow."""
    answer = ask(ports.http, "/api/v1/topology", method)
    assert (answer.status, answer.headers["Allow"]) == (405, "GET, HEAD")


def test_answers_depend_on_the_token(guarded: Ports, realm: Realm) -> None:
    """Where tokens are asked for, whatever lies between is told that answers depend on them."""
    answer = ask(guarded.http, headers=[("Authorization", f"Bearer {realm.token()}")])
    assert answer.headers["Vary"] == "accept-encoding, authorization"
