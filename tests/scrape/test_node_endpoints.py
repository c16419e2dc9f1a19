"""The endpoints of the old receiver, registrations and pushed pages."""

import gzip
import json
from ipaddress import ip_network
from pathlib import Path

import pytest
from starlette.responses import Response

from aggregator.registry.store import RegistryFile
from aggregator.registry.tokens import NodeToken, derive_scrape_key, digest_token
from tests.registry.test_reports import RECORDED_BODY
from tests.scrape.running_app import RunningScrapeApp, build_text_page, run_agent_app, run_scrape_app
from tests.scrape.test_agent_endpoints import PROXY, read_samples

JSON = {"Content-Type": "application/json"}
NODE_LABELS = (("cluster", "default"), ("node", "a"))


async def report(app: RunningScrapeApp, name: str = "a", query: str = "?ttl=30", **fields: object) -> int:
    """Send a report; return the status."""
    body = json.dumps({"time": "2026-11-20T20:25:31.402686", "name": name, **fields}).encode()
    return (await app.request("POST", f"/discovery/nodes/{name}{query}", body, JSON)).status


async def list_nodes(app: RunningScrapeApp) -> dict[str, bool]:
    """Return by name whether each node is on."""
    return {node["name"]: node["on"] for node in json.loads(await app.get("/ui/api/nodes/"))}


@pytest.mark.parametrize("prefix", ["/discovery", "/swarm_token_discovery"])
@pytest.mark.parametrize("content_type", ["application/json", "text/plain"])
async def test_a_recorded_report_registers_its_node(tmp_path: Path, prefix: str, content_type: str) -> None:
    """The recorded request of the old agent gets 200 without a body, and the node in the format of the old receiver."""
    async with run_scrape_app(tmp_path) as app:
        headers = {"Content-Type": content_type, "X-Auth-Node": "s"}
        reply = await app.request("POST", f"{prefix}/nodes/docker-exp?ttl=4", RECORDED_BODY.read_bytes(), headers)
        assert (reply.status, reply.text) == (200, "")
        assert reply.headers["aggregator-version"]
        (node,) = json.loads(await app.get("/ui/api/nodes/"))
        assert node == json.loads(await app.get("/ui/api/nodes/docker-exp"))
        assert {name: value for name, value in node.items() if name != "health"} == {
            "id": "docker-exp",
            "name": "docker-exp",
            "on": True,
            "address": "127.0.0.1:2375",
            "cluster": "default",
            "labels": {"env": "prod", "zone": "a"},
        }
        assert list(node["health"]) == [
            *("time", "healthy", "state", "swarmMemReserved", "swarmMemTotal", "swarmCpusReserved", "swarmCpusTotal"),
            *("sysMemAvail", "sysMemTotal", "sysMemUsed", "sysCpuLoad", "disks", "net"),
        ]
        assert node["health"]["swarmMemTotal"] is None
        assert node["health"]["disks"]["/"] == {"mount": "/", "used": 27966181376, "total": 270553174016}
        assert node["health"]["net"]["eth0"] == {"name": "eth0", "bytesIn": 232335301, "bytesOut": 560000}
        containers = json.loads(await app.get("/ui/api/nodes/docker-exp/containers"))
        assert [container["name"] for container in containers] == ["web", "db"]


async def test_reports_of_all_generations_are_taken(tmp_path: Path) -> None:
    """Reports without ttl, with a zoned time, without containers, and of a name with dots are taken."""
    async with run_scrape_app(tmp_path) as app:
        assert await report(app, "a", "") == 200
        assert await report(app, "b.example", "?ttl=120", time="2026-11-20T20:25:31Z", system={"cpuLoad": 1}) == 200
        assert await report(app, "c", "?ttl=4", containers=[], labels=None) == 200
        assert await list_nodes(app) == {"a": True, "b.example": True, "c": True}


async def test_the_name_of_the_path_wins(tmp_path: Path) -> None:
    """A report registers the node of its path, whatever its body says."""
    async with run_scrape_app(tmp_path) as app:
        await app.request("POST", "/discovery/nodes/a?ttl=30", b'{"name":"b","id":"c"}', JSON)
        assert list(await list_nodes(app)) == ["a"]


async def test_a_node_goes_offline_exactly_at_its_ttl(tmp_path: Path) -> None:
    """At the ttl a node is online; after it, it is offline in the API and in the metrics."""
    async with run_scrape_app(tmp_path) as app:
        await report(app)
        app.moved.seconds += 30
        assert await list_nodes(app) == {"a": True}
        assert read_samples(await app.get("/metrics"))["aggregator_node_up", NODE_LABELS] == 1
        app.moved.seconds += 0.01
        assert await list_nodes(app) == {"a": False}
        samples = read_samples(await app.get("/metrics"))
        assert samples["aggregator_node_up", NODE_LABELS] == 0
        assert samples["aggregator_node_ttl_seconds", NODE_LABELS] == 30


async def test_the_cluster_is_that_of_a_label(tmp_path: Path) -> None:
    """A node with the label `cluster` is in that cluster, another in the one of the setting."""
    async with run_scrape_app(tmp_path, CLUSTER_NAME="edge") as app:
        await report(app, "a", labels={"cluster": "north"})
        await report(app, "b")
        nodes = json.loads(await app.get("/api/v1/registrations"))["registrations"]
        assert {node["name"]: node["cluster"] for node in nodes} == {"a": "north", "b": "edge"}
        await report(app, "a", labels={"cluster": "x" * 4000})
        assert max(len(node["cluster"]) for node in json.loads(await app.get("/ui/api/nodes/"))) == 255


async def test_nodes_survive_a_crash(tmp_path: Path) -> None:
    """A node that got 200 for its first report is there after a restart, also without a clean stop."""
    async with run_scrape_app(tmp_path) as app:
        await report(app)
    async with run_scrape_app(tmp_path) as app:
        assert await list_nodes(app) == {"a": True}


@pytest.mark.parametrize("name", ["a%20b", "a%2Fb", "..", "%2e%2e", "a" * 64, "a;b", "--%00", "%C3%A4"])
async def test_other_names_are_refused(tmp_path: Path, name: str) -> None:
    """A name with other characters gets 400 in the format of the old receiver, and registers nothing."""
    async with run_scrape_app(tmp_path) as app:
        reply = await app.request("POST", f"/discovery/nodes/{name}?ttl=30", b"{}", JSON)
        assert reply.status == 400
        assert json.loads(reply.text)["code"] == 400
        assert await list_nodes(app) == {}


@pytest.mark.parametrize(
    ("query", "body", "status"),
    [
        ("?ttl=x", b"{}", 400),
        ("?ttl=nan", b"{}", 400),
        ("?ttl=30", b"", 400),
        ("?ttl=30", b"[]", 400),
        ("?ttl=30", b"{", 400),
        ("?ttl=30", b" " * (1024 * 1024 + 1), 413),
    ],
)
async def test_invalid_reports_are_refused(tmp_path: Path, query: str, body: bytes, status: int) -> None:
    """A report that is no JSON object, too large, or has no numeric ttl is refused with a JSON error."""
    async with run_scrape_app(tmp_path) as app:
        reply = await app.request("POST", f"/discovery/nodes/a{query}", body, JSON)
        assert (reply.status, json.loads(reply.text)["code"]) == (status, status)


async def test_a_wrong_secret_gets_the_recorded_text(tmp_path: Path) -> None:
    """With a secret, a report without it gets 401 with the text of the old receiver."""
    async with run_scrape_app(tmp_path, DISCOVERY_SECRET="secret") as app:
        for headers in (JSON, JSON | {"X-Auth-Node": "wrong"}):
            reply = await app.request("POST", "/discovery/nodes/a", b"{}", headers)
            assert reply.status == 401
            assert reply.text == "Server required node auth, need correct value of 'X-Auth-Node' header."
        assert (await app.request("POST", "/discovery/nodes/a", b"{}", JSON | {"X-Auth-Node": "secret"})).status == 200


async def test_a_node_whose_agent_stops_is_offline(tmp_path: Path) -> None:
    """DELETE of the path of reports marks the node as offline at once and keeps it, also over a restart."""
    async with run_scrape_app(tmp_path, DISCOVERY_SECRET="secret") as app:
        node = {"X-Auth-Node": "secret"}
        await app.request("POST", "/discovery/nodes/a", b"{}", JSON | node)
        assert (await app.request("DELETE", "/discovery/nodes/a")).status == 401
        for _ in range(2):
            assert (await app.request("DELETE", "/discovery/nodes/a", headers=node)).status == 200
            assert json.loads(await app.get("/ui/api/nodes/a"))["on"] is False
        assert (await app.request("DELETE", "/discovery/nodes/b", headers=node)).status == 404
    async with run_scrape_app(tmp_path) as app:
        assert json.loads(await app.get("/ui/api/nodes/a"))["on"] is False
        await app.request("POST", "/discovery/nodes/a", b"{}", JSON)
        assert json.loads(await app.get("/ui/api/nodes/a"))["on"] is True


async def test_an_operator_removes_a_node(tmp_path: Path) -> None:
    """DELETE of the paths of operators forgets the node, and again is 404."""
    async with run_scrape_app(tmp_path, DISCOVERY_SECRET="secret", SCRAPE_TOKEN="reader") as app:
        node, reader = {"X-Auth-Node": "secret"}, {"Authorization": "Bearer reader"}
        for path, headers in [("/ui/api/nodes/a", reader), ("/api/v1/registrations/a", reader)]:
            await app.request("POST", "/discovery/nodes/a", b"{}", JSON | node)
            assert (await app.request("DELETE", path)).status == 401
            assert (await app.request("DELETE", path, headers=headers)).status == 200
            assert (await app.request("DELETE", path, headers=headers)).status == 404


async def test_the_old_installer_is_gone(tmp_path: Path) -> None:
    """The path that handed the secret to strangers answers 410, without the secret."""
    async with run_scrape_app(tmp_path, DISCOVERY_SECRET="top-secret") as app:
        reply = await app.request("GET", "/discovery/agent/haven-agent.py?node=a:1")
        assert reply.status == 410
        assert "top-secret" not in reply.text
        assert "aggregator agent install" in reply.text


async def test_a_registration_grants_no_reading(tmp_path: Path) -> None:
    """Neither the shared secret nor a token of a node opens what readers see."""
    async with run_scrape_app(tmp_path, DISCOVERY_SECRET="secret", SCRAPE_TOKEN="reader") as app:
        paths = [
            *("/metrics", "/metrics?layout=2023", "/scrape?agents", "/sd/agents", "/sd/pods", "/api/v1/targets"),
            *("/api/v1/registrations", "/api/v1/registrations/a", "/ui/api/nodes/", "/ui/api/nodes/a"),
            "/ui/api/nodes/a/containers",
        ]
        for path in paths:
            for headers in ({}, {"X-Auth-Node": "secret"}, {"Authorization": "Bearer secret"}):
                assert (await app.request("GET", path, headers=headers)).status == 401, path
        for path in ("/", "/healthz", "/readyz"):
            assert (await app.request("GET", path)).status == 200


async def test_a_stolen_token_opens_one_name(tmp_path: Path) -> None:
    """The token of a node registers and stops that node, and no other."""
    async with run_scrape_app(tmp_path) as app:
        file = RegistryFile(str(tmp_path / "registry.sqlite"))
        for name in "ab":
            file.add_token(NodeToken(name, digest_token(f"token-{name}")), "2026-11-30")
        file.close()
        await app.store.reload_tokens()
        headers = JSON | {"Authorization": "Bearer token-a"}
        statuses = [
            (await app.request("POST", f"/discovery/nodes/{name}", b"{}", headers)).status for name in ("a", "b", "c")
        ]
        assert statuses == [200, 401, 401]
        assert (await app.request("DELETE", "/discovery/nodes/b", headers=headers)).status == 401
        assert (await app.request("PUT", "/api/v1/registrations/b/page", b"a 1\n", headers)).status == 401


async def test_each_agent_sees_its_own_scrape_key(tmp_path: Path) -> None:
    """An agent that registered with a token is shown a key made of that token; another agent is shown nothing."""
    async with run_scrape_app(tmp_path) as app, run_agent_app() as first, run_agent_app() as second:
        file = RegistryFile(str(tmp_path / "registry.sqlite"))
        file.add_token(NodeToken("a", digest_token("token-a")), "2026-11-30")
        file.close()
        await app.store.reload_tokens()
        body = json.dumps({"metrics": {"port": first.port}}).encode()
        await app.request("POST", "/discovery/nodes/a", body, JSON | {"X-Auth-Node": "token-a"})
        app.write_list(second.address)
        await app.get("/scrape?agents")
        key = derive_scrape_key(digest_token("token-a"))
        assert {request.headers.get("authorization") for request in first.requests} == {f"Bearer {key}"}
        assert {request.headers.get("authorization") for request in second.requests} == {None}


async def test_a_node_is_scraped_at_its_own_address(tmp_path: Path) -> None:
    """A report names port and path; the address is that of its sender, whatever the body says."""
    async with run_scrape_app(tmp_path) as app, run_agent_app({"/m": build_text_page("a 1\n")}) as agent:
        await report(app, address="169.254.169.254:80", metrics={"scheme": "http", "port": agent.port, "path": "/m"})
        samples = read_samples(await app.get("/scrape?agents"))
        labels = (("cluster", "default"), ("instance", agent.address), ("job", "agents"), ("node", "a"))
        assert samples["a", labels] == 1
        assert samples["up", labels] == 1


async def test_a_token_allows_addresses_in_its_network(tmp_path: Path) -> None:
    """With a token for networks, a reported address in them is used; one outside is replaced by the sender's."""
    async with run_scrape_app(tmp_path, **PROXY) as app:
        file = RegistryFile(str(tmp_path / "registry.sqlite"))
        file.add_token(NodeToken("a", digest_token("t"), (ip_network("10.1.0.0/16"),)), "2026-11-30")
        file.close()
        await app.store.reload_tokens()
        hosts = []
        for address in ("10.1.0.9:2375", "10.2.0.9:2375", "evil.example:80"):
            body = json.dumps({"address": address}).encode()
            headers = JSON | {"X-Auth-Node": "t", "X-Forwarded-For": "10.1.0.1"}
            assert (await app.request("POST", "/discovery/nodes/a", body, headers)).status == 200
            hosts.append(json.loads(await app.get("/api/v1/registrations/a"))["host"])
        assert hosts == ["10.1.0.9", "10.1.0.1", "10.1.0.1"]


async def test_a_pushed_page_is_served_until_its_ttl(tmp_path: Path) -> None:
    """A node behind NAT pushes its page; it is part of merged pages until its ttl, then the node is down."""
    async with run_scrape_app(tmp_path) as app:
        path = "/api/v1/registrations/a/page"
        assert (await app.request("PUT", f"{path}?ttl=60", b"a 1\n")).status == 404
        await report(app)
        headers = {"Content-Encoding": "gzip", "Content-Type": "text/plain"}
        assert (await app.request("PUT", f"{path}?ttl=60", gzip.compress(b"a 1\n", mtime=0), headers)).status == 204
        labels = (("cluster", "default"), ("instance", "a"), ("job", "agents"), ("node", "a"))
        samples = read_samples(await app.get("/scrape?target=a"))
        assert (samples["a", labels], samples["up", labels]) == (1, 1)
        assert await app.get("/scrape?target=a&plain=true") == "a 1\n"
        assert (await app.request("PUT", f"{path}?ttl=10", b"a 2\n")).status == 204
        app.moved.seconds += 11
        samples = read_samples(await app.get("/scrape?target=a"))
        assert samples["up", labels] == 0
        assert ("aggregator_scrape_target_error", (*labels, ("reason", "expired"))) in samples


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b"{{{", {}, 400),
        (b"<html>", {"Content-Type": "text/html"}, 400),
        (b"a 1\n" * 1000, {}, 413),
        (gzip.compress(bytes(10**6), mtime=0), {"Content-Encoding": "gzip"}, 413),
        (b"a 1\n", {"Content-Encoding": "gzip"}, 400),
    ],
)
async def test_an_invalid_page_is_refused(tmp_path: Path, body: bytes, headers: dict[str, str], status: int) -> None:
    """A pushed page that is too large, packed or unpacked, or invalid is refused as a whole."""
    async with run_scrape_app(tmp_path, MAX_PAGE_BYTES="2048") as app:
        await report(app)
        reply = await app.request("PUT", "/api/v1/registrations/a/page?ttl=60", body, headers)
        assert reply.status == status


async def test_the_server_does_not_scrape_itself(tmp_path: Path) -> None:
    """A node that reports the port of the server is not connected."""
    async with run_scrape_app(tmp_path) as app:
        await report(app, metrics={"port": int(app.url.rpartition(":")[2])})
        assert 'reason="not_allowed"' in await app.get("/scrape?agents")


async def test_a_redirect_is_a_failure(tmp_path: Path) -> None:
    """A redirect of an agent is not followed, and counts as its failure."""
    answers = {"/metrics": Response("", 302, {"Location": "http://169.254.169.254/"})}
    async with run_scrape_app(tmp_path) as app, run_agent_app(answers) as agent:
        app.write_list(agent.address)
        assert 'reason="status"' in await app.get("/scrape?agents")
