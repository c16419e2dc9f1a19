"""The endpoints of the agent, over HTTP."""

import json
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import ClientSession
from prometheus_client.parser import text_string_to_metric_families

from aggregator.agent.app import AgentServices, create_agent_app
from aggregator.agent.process import build_services
from aggregator.docker.engine import DockerEngine
from aggregator.registry.tokens import derive_scrape_key, digest_token
from aggregator.server.http.server import HttpServer, open_listener
from aggregator.settings.agent import AgentSettings
from aggregator.settings.settings import load_settings
from tests.support.fake_engine import RUNNING, FakeEngine

TOKEN = "correct-horse-battery"
BEARER = {"Authorization": f"Bearer {TOKEN}"}
BASIC = {"Authorization": f"Basic {b64encode(f'any:{TOKEN}'.encode()).decode()}"}


@asynccontextmanager
async def serve(services: AgentServices) -> AsyncIterator[ClientSession]:
    """Serve an agent, and yield a client for it."""
    listener = open_listener("AGENT", "127.0.0.1", 0)
    server = HttpServer(create_agent_app(services), listener, 1)
    await server.start()
    base_url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    try:
        async with ClientSession(base_url) as client:
            yield client
    finally:
        await server.stop()


@asynccontextmanager
async def run_agent(engine: DockerEngine, **settings: str) -> AsyncIterator[tuple[ClientSession, AgentServices]]:
    """Serve an agent with these settings, and yield a client for it."""
    services = build_services(load_settings(settings, AgentSettings), engine)
    async with serve(services) as client:
        yield client, services


async def test_the_root_is_that_of_the_old_agent(engine: DockerEngine) -> None:
    """`GET /` answers OK without a line end."""
    async with run_agent(engine) as (client, _), client.get("/") as response:
        assert (response.status, await response.read()) == (200, b"OK")


async def test_get_data(engine: DockerEngine) -> None:
    """`GET /get-data` answers JSON with one line end, with the name of the host that NODE_NAME sets."""
    async with run_agent(engine, NODE_NAME="edge-1") as (client, _), client.get("/get-data") as response:
        body = await response.read()
        assert response.headers["Content-Type"] == "application/json"
    assert body.endswith(b"}\n")
    document = json.loads(body)
    assert (document["hostname"], document["docker-version"]) == ("edge-1", "20.10.24+dfsg1 (build 5d6db84)")
    assert [each["user"] for each in document["containers"]] == ["ended", "idle", "john"]


async def test_get_data_without_an_engine(fake: FakeEngine, engine: DockerEngine) -> None:
    """While the Engine fails, `/get-data` says so with status 200, without a line end."""
    fake.failing.add("info")
    async with run_agent(engine, NODE_NAME="edge-1") as (client, _), client.get("/get-data") as response:
        assert (response.status, await response.read()) == (200, b'{"hostname": "edge-1", "docker-running": false}')


async def test_metrics(engine: DockerEngine) -> None:
    """`GET /metrics` answers text 0.0.4, compressed on request, that a parser of Prometheus reads."""
    async with run_agent(engine) as (client, _), client.get("/metrics") as response:
        text = await response.text()
        assert response.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
        assert response.headers["Content-Encoding"] == "gzip"
    names = {family.name for family in text_string_to_metric_families(text)}
    assert {"docker_engine_up", "container_cpu_usage_seconds", "node_memory_MemTotal_bytes"} <= names


async def test_the_probes(engine: DockerEngine) -> None:
    """The probes need no token; readiness ends when the agent stops."""
    async with run_agent(engine, AGENT_TOKEN=TOKEN) as (client, services):
        async with client.get("/healthz") as response:
            assert (response.status, await response.text()) == (200, '"Aggregator working properly!"\n')
        async with client.get("/readyz") as response:
            assert (response.status, await response.json()) == (200, {"status": "ready"})
        services.state.is_stopping = True
        async with client.get("/readyz") as response:
            assert (response.status, await response.json()) == (503, {"error": "shutting down"})


@pytest.mark.parametrize("path", ["/metrics", "/get-data", "/other"])
async def test_a_token_is_required(engine: DockerEngine, path: str) -> None:
    """With AGENT_TOKEN, everything but root and probes needs the token, as bearer or as basic password."""
    async with run_agent(engine, AGENT_TOKEN=TOKEN) as (client, _):
        for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": TOKEN}, {"Authorization": "Basic ="}):
            async with client.get(path, headers=headers) as response:
                assert response.status == 401
                assert response.headers["WWW-Authenticate"].startswith("Bearer")
        for headers in (BEARER, BASIC):
            async with client.get(path, headers=headers) as response:
                assert response.status == (404 if path == "/other" else 200)


async def test_the_key_that_a_scrape_server_derives_opens_the_agent(engine: DockerEngine) -> None:
    """Beside AGENT_TOKEN, the agent accepts the key that a scrape server derives from the token of this node."""
    secret = "token-of-this-node"
    headers = {"Authorization": f"Bearer {derive_scrape_key(digest_token(secret))}"}
    async with (
        run_agent(engine, AGENT_TOKEN=TOKEN, MASTER="m:1", MASTER_SECRET=secret) as (client, _),
        client.get("/metrics", headers=headers) as response,
    ):
        assert response.status == 200


async def test_commands(fake: FakeEngine, engine: DockerEngine) -> None:
    """An allowed action with the token answers 204, and 500 with the text of the Engine if it fails."""
    async with run_agent(engine, AGENT_TOKEN=TOKEN, AGENT_ACTIONS="start stop") as (client, _):
        async with client.post(f"/command/start?container={RUNNING}", headers=BEARER) as response:
            assert (response.status, await response.read()) == (204, b"")
        assert fake.requests[-1] == f"POST /v1.41/containers/{RUNNING}/start"
        async with client.post("/command/stop?container=nope", headers=BEARER) as response:
            text = await response.text()
            assert (response.status, text) == (500, "Error response from daemon: No such container: nope\n")


async def test_refused_commands(fake: FakeEngine, engine: DockerEngine) -> None:
    """Unknown commands are 400, other methods 405, and actions without permission or token 403."""
    async with run_agent(engine, AGENT_TOKEN=TOKEN, AGENT_ACTIONS="start") as (client, _):
        async with client.post(f"/command/rm?container={RUNNING}", headers=BEARER) as response:
            assert (response.status, await response.text()) == (400, "Invalid Command")
        async with client.get(f"/command/start?container={RUNNING}", headers=BEARER) as response:
            assert (response.status, response.headers["Allow"]) == (405, "OPTIONS, POST")
        async with client.options("/command/start") as response:
            assert (response.status, response.headers["Allow"]) == (200, "OPTIONS, POST")
        async with client.post(f"/command/stop?container={RUNNING}", headers=BEARER) as response:
            assert response.status == 403
        for headers in ({}, {"Authorization": "Bearer wrong"}):
            async with client.post(f"/command/start?container={RUNNING}", headers=headers) as response:
                assert response.status == 403
    async with run_agent(engine) as (client, _), client.post(f"/command/start?container={RUNNING}") as response:
        assert response.status == 403
    assert not [request for request in fake.requests if request.startswith("POST")]


@pytest.mark.parametrize(
    "name", ["", "web;reboot", "--help", "../info", "web%2F..%2F..%2Finfo", "a b", "a", "web%0A", "$(id)", "wéb"]
)
async def test_names_that_are_no_names(fake: FakeEngine, engine: DockerEngine, name: str) -> None:
    """What is not the name of a container is 400 and does not reach the Engine."""
    async with (
        run_agent(engine, AGENT_TOKEN=TOKEN, AGENT_ACTIONS="start") as (client, _),
        client.post(f"/command/start?container={name}", headers=BEARER) as response,
    ):
        assert response.status == 400
    assert not [request for request in fake.requests if request.startswith("POST")]


async def test_requests_are_counted_by_handler(engine: DockerEngine) -> None:
    """Requests are counted with few labels, whatever paths and methods clients invent."""
    async with run_agent(engine) as (client, services):
        for method, path in (("GET", "/"), ("GET", "/nothing"), ("PROPFIND", "/x"), ("POST", "/command/x")):
            async with client.request(method, path):
                pass
        requests = services.metrics.read().requests
    assert requests == {
        ("root", "200", "GET"): 1,
        ("other", "404", "GET"): 1,
        ("other", "404", "other"): 1,
        ("command", "400", "POST"): 1,
    }


async def test_no_redirects(engine: DockerEngine) -> None:
    """A path with a slash at its end does not exist; a redirect would lead to the host that the client names."""
    async with (
        run_agent(engine) as (client, _),
        client.get("/metrics/", headers={"Host": "evil.example"}, allow_redirects=False) as response,
    ):
        assert response.status == 404
