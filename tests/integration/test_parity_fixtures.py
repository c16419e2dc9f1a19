"""Every parity case the whole way: a real Prometheus, the program as a process of its own, HTTP and gRPC."""

import json
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from aggregator.etim_client import ask
from aggregator.models.catalog import CATALOG
from aggregator.pb.etim import server_pb2 as pb
from aggregator.querier.client import Address, Client
from demo.prometheus import Moment, holding
from tests.cases import (
    AGE,
    AGE_SECONDS,
    NAMES,
    RECORD,
    Json,
    exposition,
    go_answer,
    go_nodes_of,
    golden,
    nodes_of,
    recorded,
    scraped_at_seconds,
    unlike,
)
from tests.differences import OVER_GRPC, OVER_HTTP, WITHOUT_ANSWER
from tests.integration.process import Gateway, running, until
from tests.record_answers import LIMITS, text_of
from tests.server.exchange import ask as ask_http

SCRAPED = "/timestamp/oldestTimestamp"


@dataclass(frozen=True)
class Scene:
    """A case on a Prometheus, which holds it as scraped long ago and as scraped just now, and a gateway on it."""

    name: str
    prometheus_url: str
    scraped_at_seconds: float
    gateway: Gateway

    def document(self, layout: str) -> Json:
        """Return the JSON that a client gets."""
        url = f"http://127.0.0.1:{self.gateway.http}/aggregator?layout={layout}"
        with urllib.request.urlopen(url, timeout=10) as response:
            assert response.headers["Content-Type"] == "application/json"
            return json.load(response)

    def nodes(self) -> pb.InfrastructureModel:
        """Return the nodes that a client gets."""
        return ask(f"127.0.0.1:{self.gateway.grpc}", None)[0]


@pytest.fixture(scope="module", params=NAMES)
def scene(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """Run a case."""
    name: str = request.param
    text = exposition(name)
    now_seconds = round(time.time(), 3)
    with (
        holding([Moment(text, scraped_at_seconds(name)), Moment(text, now_seconds)]) as url,
        running(
            tmp_path_factory.mktemp(name), PROMETHEUS_ADDRESS=url, REFRESH_INTERVAL="3600", MAX_STALE="7200"
        ) as gateway,
    ):
        until(lambda: ask_http(gateway.http, "/readyz").status == 200, "the first refresh")
        yield Scene(name, url, now_seconds, gateway)


def test_http_says_what_the_go_service_says(scene: Scene) -> None:
    """Every value of the Go service's answer is in ours, except where a difference is listed."""
    document = scene.document("1.2.5")
    if scene.name in WITHOUT_ANSWER:
        assert document["cluster"]
        return
    # The case was scraped anew: its moment is another, and is checked by itself.
    assert unlike(go_answer(scene.name), document).keys() - {AGE, SCRAPED} == OVER_HTTP[scene.name].keys()


@pytest.mark.parametrize("layout", ["1.2.5", "2025"])
def test_http_says_what_is_on_file(scene: Scene, layout: str) -> None:
    """The document of the running program is the golden one, but for the moment of the scrape."""
    document = scene.document(layout)
    expected = json.loads(golden(scene.name)[f"{scene.name}.{layout}.json"])
    stamp = document.pop("timestamp")
    expected.pop("timestamp")
    assert document == expected
    assert stamp["oldestTimestamp"] == scene.scraped_at_seconds
    assert 0 <= stamp["timeSinceOldest"] < 120


def test_grpc_says_what_the_go_service_says(scene: Scene) -> None:
    """The nodes over gRPC are the Go service's where it can tell them apart, else those on file."""
    nodes = nodes_of(scene.nodes())
    if scene.name not in OVER_GRPC:
        assert nodes == go_nodes_of(scene.name)
    ids = [
        line.split('"')[1]
        for line in golden(scene.name)[f"{scene.name}.etim.txt"].decode().splitlines()
        if line.startswith("  id: ")
    ]
    assert sorted(ids) == [node_id for node_id, *_ in nodes]


def test_the_recorded_answers_are_those_of_a_real_prometheus(scene: Scene) -> None:
    """What is on file is what Prometheus answers to the catalog's queries, series by series."""
    client = Client(Address(scene.prometheus_url), LIMITS)
    at_seconds = scraped_at_seconds(scene.name) + AGE_SECONDS
    asked = {
        row.name: {"promql": row.ask.text, "answer": json.loads(client.ask(row.ask.text, at_seconds))}
        for row in CATALOG
    }
    client.close()
    with_samples = {name: said for name, said in asked.items() if said["answer"]["data"]["result"]}
    assert text_of(with_samples) == text_of(dict(recorded(scene.name))), f"see `{RECORD}`"


def test_nothing_went_wrong(scene: Scene) -> None:
    """The program's log has no error and no exception, and says how many nodes there are."""
    lines = scene.gateway.lines()
    assert not [line for line in lines if line["level"] == "error"]
    assert scene.gateway.events("refreshed")[0]["nodes"] == len(scene.nodes().nodes)


def test_all_cases_are_here() -> None:
    """Every exposition on file is a case."""
    folder = Path(__file__).parents[1] / "data" / "parity"
    assert len(NAMES) == len(list(folder.glob("*.prom"))) == 8
