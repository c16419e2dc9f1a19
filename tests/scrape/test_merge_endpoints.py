"""Merged pages, service discovery and what surrounds them."""

import asyncio
import json
from pathlib import Path

import pytest

from tests.scrape.running_app import build_text_page, run_agent_app, run_scrape_app
from tests.scrape.test_agent_endpoints import read_samples
from tests.scrape.test_node_endpoints import report


async def test_labels_of_the_target_are_added(tmp_path: Path) -> None:
    """An own label of a target that the server adds is renamed as by Prometheus, or kept with honor=true."""
    page = build_text_page('a{instance="x",b="c"} 1\n')
    async with run_scrape_app(tmp_path) as app, run_agent_app({"/metrics": page}) as agent:
        app.write_list(agent.address)
        own = (("cluster", "default"), ("job", "agents"))
        renamed = {*own, ("instance", agent.address), ("exported_instance", "x"), ("b", "c")}
        assert ("a", tuple(sorted(renamed))) in read_samples(await app.get("/scrape?agents"))
        kept = {*own, ("instance", "x"), ("b", "c")}
        assert ("a", tuple(sorted(kept))) in read_samples(await app.get("/scrape?agents&honor=true"))


async def test_type_conflicts_are_reported(tmp_path: Path) -> None:
    """A family of different types is untyped, named, and complete."""
    gauge, counter = build_text_page("# TYPE a gauge\na 1\n"), build_text_page("# TYPE a counter\na 1\n")
    async with (
        run_scrape_app(tmp_path) as app,
        run_agent_app({"/metrics": gauge}) as first,
        run_agent_app({"/metrics": counter}) as second,
    ):
        app.write_list(first.address, second.address)
        samples = read_samples(await app.get("/scrape?agents"))
        assert ("aggregator_scrape_type_conflicts", (("family", "a"),)) in samples
        assert sum(name == "a" for name, _ in samples) == 2


async def test_a_target_cannot_replace_metrics_about_it(tmp_path: Path) -> None:
    """What the server says about targets and nodes stays, whatever is on the page of a target."""
    page = build_text_page(
        "up 0\nscrape_samples_scraped 9\n"
        'aggregator_node_up{cluster="default",node="a",instance="",job=""} 0\n'
        'aggregator_scrape_targets{instance="",job="",cluster=""} 9\n'
    )
    async with run_scrape_app(tmp_path) as app, run_agent_app({"/metrics": page}) as agent:
        app.write_list(agent.address)
        await report(app, "a")
        for query in ("agents", "agents&honor=true"):
            samples = read_samples(await app.get(f"/scrape?{query}"))
            own = (("cluster", "default"), ("instance", agent.address), ("job", "agents"))
            assert (samples["up", own], samples["scrape_samples_scraped", own]) == (1, 4)
            assert samples["aggregator_node_up", (("cluster", "default"), ("node", "a"))] == 1
            assert samples["aggregator_scrape_targets", ()] == 1


async def test_a_request_says_what_it_wants(tmp_path: Path) -> None:
    """Without a selection there is an error; a target can be chosen by its name."""
    async with run_scrape_app(tmp_path) as app, run_agent_app({"/metrics": build_text_page("a 1\n")}) as agent:
        app.write_list(agent.address, "127.0.0.1:9")
        assert (await app.request("GET", "/scrape")).status == 400
        samples = read_samples(await app.get(f"/scrape?target={agent.address}"))
        assert sum(name == "up" for name, _ in samples) == 1
        assert sum(name == "up" for name, _ in read_samples(await app.get("/scrape?all"))) == 2


async def test_a_plain_page_is_that_of_the_agent(tmp_path: Path) -> None:
    """With plain=true, the page of one agent has no labels added; if it fails, the answer is an error."""
    async with run_scrape_app(tmp_path) as app, run_agent_app({"/metrics": build_text_page("a 1\n")}) as agent:
        app.write_list(agent.address, "127.0.0.1:9")
        assert await app.get(f"/scrape?target={agent.address}&plain=true") == "a 1\n"
        assert (await app.request("GET", "/scrape?target=127.0.0.1:9&plain=true")).status == 502
        assert (await app.request("GET", "/scrape?target=none&plain=true")).status == 404


async def test_agents_are_discovered(tmp_path: Path) -> None:
    """Listed agents and registered nodes are in the list for Prometheus, each once, with cluster and node."""
    async with run_scrape_app(tmp_path) as app:
        reply = await app.request("GET", "/sd/agents")
        assert (reply.status, reply.text, reply.headers["content-type"]) == (200, "[]", "application/json")
        await report(app, "a", metrics={"scheme": "https", "port": 5051, "path": "/m"})
        await report(app, "b")
        app.write_list("127.0.0.1:5051", "10.0.0.1", "[fd00::1]:5050", "not:a:host")
        own = {"job": "agents", "cluster": "default", "__scheme__": "http", "__metrics_path__": "/metrics"}
        assert json.loads(await app.get("/sd/agents")) == [
            {
                "targets": ["127.0.0.1:5051"],
                "labels": own | {"node": "a", "__scheme__": "https", "__metrics_path__": "/m"},
            },
            {"targets": ["10.0.0.1:80"], "labels": own},
            {"targets": ["[fd00::1]:5050"], "labels": own},
        ]
        (first, *_) = json.loads(await app.get("/sd/agents?timeout=60"))
        assert first["labels"]["__scrape_timeout__"] == "10s"
        assert await app.get("/sd/pods") == "[]"


async def test_prometheus_can_scrape_through_the_server(tmp_path: Path) -> None:
    """With via=self, each target is this server, which scrapes the agent by its name."""
    async with run_scrape_app(tmp_path) as app:
        await report(app, "a", metrics={"port": 5051})
        (group,) = json.loads(await app.get("/sd/agents?via=self", {"Host": "scrape.example:5000"}))
        assert group == {
            "targets": ["scrape.example:5000"],
            "labels": {
                "job": "agents",
                "cluster": "default",
                "node": "a",
                "instance": "127.0.0.1:5051",
                "__scheme__": "http",
                "__metrics_path__": "/scrape",
                "__param_target": "a",
                "__param_plain": "true",
            },
        }
        assert (await app.request("GET", "/sd/agents?via=self", headers={"Host": "a b"})).status == 400


async def test_a_scraper_that_leaves_ends_the_scrape(tmp_path: Path) -> None:
    """When the scraper closes its connection, the connections to agents are closed, too."""
    async with run_scrape_app(tmp_path) as app, run_agent_app() as agent:
        agent.hanging_paths.add("/metrics")
        app.write_list(agent.address)
        task = asyncio.create_task(app.get("/scrape?agents"))
        async with asyncio.timeout(10):
            while not agent.requests:  # noqa: ASYNC110 - the agent has no event for it
                await asyncio.sleep(0.001)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            while agent.hanging_requests:  # noqa: ASYNC110 - as above
                await asyncio.sleep(0.001)


async def test_health_and_readiness(tmp_path: Path) -> None:
    """The server is healthy while it runs, and not ready while it stops."""
    async with run_scrape_app(tmp_path) as app:
        assert (await app.get("/healthz"), await app.get("/readyz")) == ("OK\n", "OK\n")
        app.readiness.is_stopping = True
        assert (await app.request("GET", "/readyz")).status == 503


@pytest.mark.parametrize("path", ["/x", "/metrics/", "/metrics%3Fjob=x", "/scrape/..%2f"])
async def test_other_paths_do_not_exist(tmp_path: Path, path: str) -> None:
    """Without pods, any other path is 404."""
    async with run_scrape_app(tmp_path) as app:
        assert (await app.request("GET", path)).status == 404


async def test_no_cross_origin_access(tmp_path: Path) -> None:
    """No answer allows a page of another origin to read it."""
    async with run_scrape_app(tmp_path) as app:
        for method in ("GET", "OPTIONS"):
            reply = await app.request(method, "/metrics", headers={"Origin": "https://evil.example"})
            assert not any(name.lower().startswith("access-control") for name in reply.headers)


async def test_requests_are_counted(tmp_path: Path) -> None:
    """Requests are counted by handler, code and method, with few values whatever clients ask for."""
    async with run_scrape_app(tmp_path) as app:
        for number in range(3):
            await app.request("GET", f"/x{number}", headers={"X-Request-Id": "abc"})
        await report(app)
        reply = await app.request("PROPFIND", "/scrape")
        assert reply.headers["x-request-id"]
        samples = read_samples(await app.get("/metrics"))
        counted = {
            tuple(dict(labels)[name] for name in ("handler", "code", "method")): value
            for (name, labels), value in samples.items()
            if name == "http_requests_total"
        }
        assert counted == {("other", "404", "GET"): 3, ("discovery", "200", "POST"): 1, ("scrape", "405", "other"): 1}


async def test_nodes_are_shown_without_scraping_agents(tmp_path: Path) -> None:
    """For a Prometheus that scrapes agents directly, the metrics of nodes and of the server are a page of their own."""
    async with run_scrape_app(tmp_path) as app, run_agent_app() as agent:
        app.write_list(agent.address)
        await report(app)
        samples = read_samples(await app.get("/scrape?nodes"))
        assert samples["aggregator_node_up", (("cluster", "default"), ("node", "a"))] == 1
        assert ("process_resident_memory_bytes", ()) in samples
        assert agent.requests == []
