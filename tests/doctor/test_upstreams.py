"""What stands at an address: told by what only it answers."""

import contextlib
import json
import socket
import time
from collections.abc import Iterator, Mapping

import pytest

from aggregator import settings
from aggregator.doctor import upstreams
from aggregator.doctor.report import Finding, Seen
from aggregator.querier.client import Address, Client, Limits
from aggregator.secrets import HIDDEN, Secrets
from tests.querier.peer import Peer, Request, hanging, peer, response, sending

BUILD, STORES = "/api/v1/status/buildinfo", "/api/v1/stores"
NOT_FOUND = response(b"404 page not found", "404 Not Found")


def said(data: object) -> bytes:
    """Return the body of a good answer."""
    return json.dumps({"status": "success", "data": data}).encode()


def clock() -> bytes:
    """Return the answer to what time it is."""
    now = time.time()
    return said({"resultType": "vector", "result": [{"metric": {}, "value": [now, str(now)]}]})


@contextlib.contextmanager
def playing(pages: Mapping[str, bytes]) -> Iterator[str]:
    """Run an upstream that tells the time and has these pages; give its URL."""

    def script(connection: socket.socket, request: Request, _running: Peer) -> None:
        told = response(clock()) if request.path == "/api/v1/query" else pages.get(request.path, NOT_FOUND)
        connection.sendall(told)

    with peer(script) as server:
        yield server.url


def looked(url: str, *known: str) -> tuple[Seen, list[Finding]]:
    """Return what stands at a URL, for who knows some secrets."""
    limits, secrets = Limits(5.0, 2**20, 1), Secrets(known)
    return upstreams.look(Address(url, name="it"), lambda address: Client(address, limits, secrets=secrets))


@pytest.mark.parametrize(
    ("pages", "kind", "version"),
    [
        ({BUILD: response(said({"version": "2.42.0", "revision": "x"}))}, "Prometheus", "2.42.0"),
        ({BUILD: response(said({"version": "3.1.0"}))}, "Prometheus", "3.1.0"),
        ({BUILD: response(said({"version": "0.37.2"})), STORES: response(said({"sidecar": []}))}, "Thanos", "0.37.2"),
        ({STORES: response(said({}))}, "Thanos", ""),
        ({BUILD: response(said({"version": "2.15.0", "application": "Grafana Mimir"}))}, "Grafana Mimir", "2.15.0"),
        ({BUILD: response(said({"version": "2.24.0"}), "200 OK", "X-Server-Hostname: vm-0")}, "VictoriaMetrics", ""),
        ({BUILD: response(b"<html>")}, "something that answers PromQL", ""),
        ({}, "something that answers PromQL", ""),
    ],
)
def test_each_is_told_by_what_it_answers(pages: Mapping[str, bytes], kind: str, version: str) -> None:
    """Prometheus, Thanos and their kin are told apart, and what answers PromQL without a name is used all the same."""
    with playing(pages) as url:
        seen, findings = looked(url)
    assert (seen.kind, seen.version, findings) == (kind, version, [])
    assert seen.is_reached


def test_what_it_calls_itself_is_short_and_no_secret() -> None:
    """A name and a version that repeat a secret are told without it, and no longer than either is."""
    secret = "hunter2-hunter2"
    pages = {BUILD: response(said({"application": f"it {secret}", "version": "2" * 95 + secret + "3" * 1000}))}
    with playing(pages) as url:
        seen, _ = looked(url, secret)
    assert (seen.kind, seen.version) == (f"it {HIDDEN}", "2" * 95 + HIDDEN + "…")


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (response(b"", "401 Unauthorized"), "needs-credentials"),
        (response(b"", "403 Forbidden"), "not-allowed"),
        (response(b"", "503 Service Unavailable"), "refuses"),
        (response(b"", "404 Not Found"), "wrong-path"),
        (response(b"<html>log in</html>"), "wrong-path"),
        (response(said({"resultType": "vector", "result": []})), "wrong-path"),
        (response(said({"resultType": "vector", "result": [{"metric": {}, "value": [1, "noon"]}]})), "wrong-path"),
        (response(b"", "302 Found", "Location: http://127.0.0.2:9/"), "unreachable"),
    ],
)
def test_each_refusal_is_told(answer: bytes, code: str) -> None:
    """What keeps an upstream from answering has a word of its own."""
    with peer(sending(answer)) as server:
        seen, findings = looked(server.url)
    assert not seen.is_reached
    assert [finding.code for finding in findings] == [code]


def test_an_upstream_that_says_nothing() -> None:
    """One that takes the connection and never answers is told from one that is not there."""
    with peer(hanging) as server:
        _, (finding,) = looked(server.url)
    assert finding.code == "no-answer"


def test_credentials_go_along_and_are_not_told() -> None:
    """Each look shows what queries show, and no finding has it."""
    with peer(sending(NOT_FOUND)) as server:
        chosen = settings.read({"PROMETHEUS_ADDRESS": f"http://ops:sw0rdfish@127.0.0.1:{server.port}/x"})
        (address,) = chosen.upstreams
        seen, findings = upstreams.look(address, lambda each: Client(each, Limits(5.0, 2**20, 1)))
    assert all(request.headers["authorization"].startswith("Basic ") for request in server.requests)
    assert "sw0rdfish" not in f"{seen} {findings}"
