"""The endpoints of the old Docker exporter, compared with recorded answers."""

import asyncio
import gc
import json
import threading
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any
from urllib.parse import quote

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families
from starlette.requests import Request
from starlette.responses import Response

from aggregator.registry.tokens import NodeToken, TokenSet, digest_token
from tests.scrape.running_app import SHORTENED_SECONDS, build_text_page, run_agent_app, run_scrape_app
from tests.scrape.test_legacy_page import FULL_DATA, read_golden

PROXY = {"TRUSTED_PROXIES": "127.0.0.1"}
TIMEOUT = {"X-Prometheus-Scrape-Timeout-Seconds": "0.6"}


def read_samples(text: str) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Return the samples of a page by name and sorted labels, as a strict parser reads them."""
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def build_data(**changes: Any) -> Response:
    """Return the answer of an old agent, as it sends it."""
    return Response(json.dumps(FULL_DATA | changes), media_type="text/html")


async def test_the_root_answers_as_the_old_one(tmp_path: Path) -> None:
    """`GET /` has the body of the old aggregator; HEAD works, too."""
    async with run_scrape_app(tmp_path) as app:
        assert await app.get("/") == "OK\n"
        assert (await app.request("HEAD", "/")).status == 200


async def test_the_old_layout_is_the_recorded_page(tmp_path: Path) -> None:
    """An old agent's answer gives the recorded page; what differs is its address, and the escaping of quotes."""
    async with run_scrape_app(tmp_path) as app, run_agent_app({"/get-data": build_data()}) as agent:
        app.write_list(agent.address)
        reply = await app.request("GET", "/metrics?layout=2023")
        golden = read_golden("000_aggregator_metrics.txt").decode().replace("127.0.0.1:5050", agent.address)
        assert reply.text == golden.replace('J "Q" D', 'J \\"Q\\" D')
        assert reply.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"


async def test_a_silent_agent_is_known_by_its_last_name(tmp_path: Path) -> None:
    """An agent that answered once is shown as unreachable, also after a restart; one that never did is not shown."""
    async with run_scrape_app(tmp_path) as app:
        async with run_agent_app({"/get-data": build_data()}) as agent:
            app.write_list(agent.address, "127.0.0.1:9")
            await app.get("/metrics?layout=2023")
        assert await app.get("/metrics?layout=2023") == read_golden("000_aggregator_metrics_agent-offline.txt").decode()
        assert await app.store.write_changes(app.registry)
    async with run_scrape_app(tmp_path) as app:
        assert await app.get("/metrics?layout=2023") == read_golden("000_aggregator_metrics_agent-offline.txt").decode()


async def test_a_hostname_that_is_not_valid_text_is_stored(tmp_path: Path) -> None:
    """A host name with half of a surrogate pair costs nothing: the page is answered, and the registry is written."""
    data = Response(b'{"hostname":"a\\udfff","docker-running":false}', media_type="application/json")
    async with run_scrape_app(tmp_path) as app, run_agent_app({"/get-data": data}) as agent:
        app.write_list(agent.address)
        assert 'server_online{hostname="a?"} 1\n' in await app.get("/metrics?layout=2023")
        assert 'server_online{hostname="a?"} 1\n' in await app.get("/metrics")
        assert await app.store.write_changes(app.registry)


@pytest.mark.parametrize(
    ("hanging_path", "path", "last_path"),
    [("/get-data", "/metrics", "/metrics?layout=2023"), ("/metrics", "/scrape?agents", "/scrape?agents")],
)
async def test_an_agent_that_hangs_gets_less_time(tmp_path: Path, hanging_path: str, path: str, last_path: str) -> None:
    """An agent that hung three times gets less time, also if only its JSON hung; the detail of its error has it."""
    async with (
        # 0.3 s of it are for the way of the answer.
        run_scrape_app(tmp_path, SCRAPE_TIMEOUT="0.4") as app,
        run_agent_app({"/metrics": build_text_page("a 1\n")}) as agent,
    ):
        agent.hanging_paths.add(hanging_path)
        app.write_list(agent.address)
        for _ in range(3):
            await app.get(path)
        await app.get(last_path)
        (target,) = json.loads(await app.get("/api/v1/targets"))["targets"]
        assert target["detail"] == f"no complete answer within {SHORTENED_SECONDS} s"


async def test_names_that_the_old_aggregator_knew_are_taken_over(tmp_path: Path) -> None:
    """The file .known_hostnames beside the list has names of agents that do not answer."""
    (tmp_path / ".known_hostnames").write_text('{"127.0.0.1:9": "localhost.server4"}')
    async with run_scrape_app(tmp_path) as app:
        app.write_list("127.0.0.1:9")
        assert await app.get("/metrics?layout=2023") == read_golden("000_aggregator_metrics_agent-offline.txt").decode()


async def test_the_page_has_old_and_new_metrics(tmp_path: Path) -> None:
    """By default, the page has the old families and those of the agent, each once, with the same host name."""
    answers = {"/get-data": build_data(), "/metrics": build_text_page('# TYPE a gauge\na{b="c"} 1\n')}
    async with run_scrape_app(tmp_path) as app, run_agent_app(answers) as agent:
        app.write_list(agent.address)
        text = await app.get("/metrics")
        samples = read_samples(text)
        host = ("hostname", "localhost.server4")
        assert samples["server_online", (host,)] == 1
        labels = (("cluster", "default"), host, ("node", "localhost.server4"))
        assert samples["a", (("b", "c"), *labels)] == 1
        assert samples["up", labels] == 1
        assert samples["scrape_samples_scraped", labels] == 1
        names = [line.split()[2] for line in text.splitlines() if line.startswith("# TYPE")]
        assert len(names) == len(set(names))


async def test_old_metrics_can_be_left_out(tmp_path: Path) -> None:
    """Without LEGACY_METRICS, the page has only the metrics of the agents, and the JSON is not asked for."""
    answers = {"/get-data": build_data(), "/metrics": build_text_page("a 1\n")}
    async with run_scrape_app(tmp_path, LEGACY_METRICS="off") as app, run_agent_app(answers) as agent:
        app.write_list(agent.address)
        assert "server_online" not in await app.get("/metrics")
        assert [request.url.path for request in agent.requests] == ["/metrics"]


async def test_an_old_agent_is_asked_for_its_metrics_once(tmp_path: Path) -> None:
    """An agent without metrics of its own is up, and asked only for its JSON from then on, until it does not answer."""
    async with run_scrape_app(tmp_path) as app, run_agent_app({"/get-data": build_data()}) as agent:
        app.write_list(agent.address)
        for _ in range(2):
            assert ("up", (("cluster", "default"), *agent_labels())) in read_samples(await app.get("/metrics"))
        assert sorted(request.url.path for request in agent.requests) == ["/get-data", "/get-data", "/metrics"]


async def test_an_agent_that_is_asked_only_for_its_json_is_not_an_old_one(tmp_path: Path) -> None:
    """After a page in the old layout, the agent is still asked for its own metrics."""
    answers = {"/get-data": build_data(), "/metrics": build_text_page("a 1\n")}
    async with run_scrape_app(tmp_path) as app, run_agent_app(answers) as agent:
        app.write_list(agent.address)
        await app.get("/metrics?layout=2023")
        assert "\na{" in await app.get("/metrics")


async def test_an_old_agent_that_is_replaced_is_found_after_a_minute(tmp_path: Path) -> None:
    """An agent that was without metrics is asked for them once a minute, though it never failed."""
    answers: dict[str, Any] = {"/get-data": build_data()}
    async with run_scrape_app(tmp_path) as app, run_agent_app(answers) as agent:
        app.write_list(agent.address)
        await app.get("/metrics")
        answers["/metrics"] = build_text_page("a 1\n")
        assert "\na{" not in await app.get("/metrics")
        app.moved.seconds += 60
        assert "\na{" in await app.get("/metrics")


async def test_an_agent_cannot_take_the_place_of_a_registered_node(tmp_path: Path) -> None:
    """An agent that added itself with the host name of a node, or any with that of a node with a token, is another."""
    page = build_text_page("a 1\n")
    answers = {"/get-data": build_data(hostname="a"), "/metrics": page}
    for is_added in (True, False):
        folder = tmp_path / str(is_added)
        folder.mkdir()
        async with (
            run_scrape_app(folder) as app,
            run_agent_app(answers) as evil,
            run_agent_app({"/metrics": page}) as node,
        ):
            body = json.dumps({"metrics": {"port": node.port}}).encode()
            assert (await app.request("POST", "/discovery/nodes/a", body)).status == 200
            if is_added:
                assert (await app.request("POST", f"/add-agent?port={evil.port}")).status == 200
            else:
                app.write_list(evil.address)
                app.store.tokens = TokenSet([NodeToken("a", digest_token("node-token"))])
            for _ in range(2):
                samples = read_samples(await app.get("/metrics"))
                nodes = {dict(labels)["node"] for name, labels in samples if name == "a"}
                assert nodes == {"a", f"a ({evil.address})"}
            assert len(node.requests) == 4
            await app.get("/scrape?target=a&plain=true")
            assert len(node.requests) == 5


async def test_agents_with_one_host_name_can_be_chosen(tmp_path: Path) -> None:
    """The second agent of a name gets its address, so that `?target=` names one agent."""
    answers = {"/get-data": build_data(), "/metrics": build_text_page("a 1\n")}
    async with run_scrape_app(tmp_path) as app, run_agent_app(answers) as first, run_agent_app(answers) as second:
        app.write_list(first.address, second.address)
        await app.get("/metrics")
        names = [target["name"] for target in json.loads(await app.get("/api/v1/targets"))["targets"]]
        assert names == ["localhost.server4", f"localhost.server4 ({second.address})"]
        for name in names:
            await app.get(f"/scrape?plain=true&target={quote(name)}")


async def test_a_failed_scrape_leaves_nothing_behind(tmp_path: Path) -> None:
    """The body of a refused answer is freed at once, and not when the garbage collector finds it."""
    answers = {"/metrics": Response(b"#" * 2000, media_type="text/plain")}
    async with run_scrape_app(tmp_path, MAX_PAGE_BYTES="1024") as app, run_agent_app(answers) as agent:
        app.write_list(agent.address)
        gc.collect()
        gc.disable()
        try:
            assert 'reason="too_large"' in await app.get("/scrape?agents")
            frames = [each for each in gc.get_objects() if isinstance(each, FrameType)]
            assert not [frame for frame in frames if frame.f_code.co_name == "_read_bounded"]
        finally:
            gc.enable()


def agent_labels() -> tuple[tuple[str, str], tuple[str, str]]:
    """Return the labels of the recorded host."""
    return ("hostname", "localhost.server4"), ("node", "localhost.server4")


async def test_one_bad_agent_costs_only_itself(tmp_path: Path) -> None:
    """Agents that refuse, hang, or answer garbage or an error have a reason each; the others are complete."""
    garbage = {"/get-data": Response("<html>"), "/metrics": build_text_page("a 1\nb 1\n{{{\n")}
    html = {"/metrics": Response("<html>", media_type="text/html")}
    async with (
        run_scrape_app(tmp_path) as app,
        run_agent_app({"/get-data": build_data(), "/metrics": build_text_page("a 1\n")}) as good,
        run_agent_app(garbage) as malformed,
        run_agent_app(html) as not_text,
        run_agent_app({"/metrics": Response("", 500)}) as failing,
        run_agent_app() as hanging,
    ):
        hanging.hanging_paths |= {"/get-data", "/metrics"}
        agents = [good, malformed, not_text, failing, hanging]
        app.write_list(*(agent.address for agent in agents), "127.0.0.1:9", "a:b:c")
        text = await app.get("/metrics", TIMEOUT)
        samples = read_samples(text)
        assert sum(name == "a" for name, _ in samples) == 1
        reasons = {
            dict(labels)["hostname"]: dict(labels)["reason"]
            for name, labels in samples
            if name == "aggregator_scrape_target_error"
        }
        assert reasons == {
            malformed.address: "not_text",
            not_text.address: "not_text",
            failing.address: "status",
            hanging.address: "deadline",
            "127.0.0.1:9": "refused",
            "a:b:c": "invalid_address",
        }
        targets = {each["address"]: each for each in json.loads(await app.get("/api/v1/targets"))["targets"]}
        assert targets[good.address]["up"] is True
        assert {address: targets[address]["reason"] for address in reasons} == reasons


async def test_an_agent_adds_itself(tmp_path: Path) -> None:
    """`POST /add-agent` answers as recorded, and writes the recorded file; again, it changes nothing."""
    async with run_scrape_app(tmp_path) as app:
        for port in ("5999", "5050", "5050"):
            reply = await app.request("POST", f"/add-agent?port={port}")
        assert (reply.status, reply.text) == (200, read_golden("000_add-agent_response.txt").decode())
        assert (tmp_path / "agents.yaml").read_bytes() == read_golden("000_aggregator_config_after_add.yaml")
        assert (await app.request("POST", "/add-agent")).text == "Successfully added agent 127.0.0.1\n"


async def test_only_post_adds_an_agent(tmp_path: Path) -> None:
    """Another method gets 405 with the recorded `Allow`."""
    async with run_scrape_app(tmp_path) as app:
        reply = await app.request("GET", "/add-agent?port=5050")
        assert (reply.status, reply.headers["allow"]) == (405, "POST, OPTIONS")
        assert not (tmp_path / "agents.yaml").exists()


@pytest.mark.parametrize("port", ["x@evil.example", "0", "65536", "-1", "80%20", "", "5050/x", "%D9%A3"])
async def test_a_port_is_a_number(tmp_path: Path, port: str) -> None:
    """A port that is no number from 1 to 65535 is refused, so that no other address gets into the list."""
    async with run_scrape_app(tmp_path) as app:
        assert (await app.request("POST", f"/add-agent?port={port}")).status == 400
        assert not (tmp_path / "agents.yaml").exists()


@pytest.mark.parametrize(
    ("peer", "status", "entry"),
    [
        ("10.0.0.1", 200, "10.0.0.1:5050"),
        ("fd00::1", 200, "[fd00::1]:5050"),
        ("::ffff:10.0.0.1", 200, "10.0.0.1:5050"),
        ("8.8.8.8", 403, None),
        ("127.0.0.1", 403, None),
    ],
)
async def test_an_agent_adds_only_its_own_address(tmp_path: Path, peer: str, status: int, entry: str | None) -> None:
    """The list gets the address of the sender behind trusted proxies, if it may register."""
    async with run_scrape_app(tmp_path, **PROXY) as app:
        reply = await app.request("POST", "/add-agent?port=5050", headers={"X-Forwarded-For": peer})
        assert reply.status == status
        if entry is not None:
            assert yaml.safe_load((tmp_path / "agents.yaml").read_text())["server-ips"] == [entry]


async def test_a_hundred_agents_add_themselves_at_once(tmp_path: Path) -> None:
    """Concurrent additions lose nothing."""
    async with run_scrape_app(tmp_path, **PROXY) as app:
        replies = await asyncio.gather(
            *(
                app.request("POST", "/add-agent?port=5050", headers={"X-Forwarded-For": f"10.0.0.{number}"})
                for number in range(100)
            )
        )
        assert {reply.status for reply in replies} == {200}
        entries = yaml.safe_load((tmp_path / "agents.yaml").read_text())["server-ips"]
        assert entries == sorted(f"10.0.0.{number}:5050" for number in range(100))


async def test_the_token_is_for_agents_that_a_person_listed(tmp_path: Path) -> None:
    """AGENTS_TOKEN is sent to agents that are written into the list, not to those that added themselves.

    An agent that added itself does not get it when the list is empty for a moment.
    """
    async with (
        run_scrape_app(tmp_path, AGENTS_TOKEN="agents-token") as app,
        run_agent_app() as listed,
        run_agent_app() as added,
    ):
        app.write_list(listed.address)
        await app.request("POST", f"/add-agent?port={added.port}")
        await app.get("/metrics")
        assert {request.headers.get("authorization") for request in listed.requests} == {"Bearer agents-token"}
        assert {request.headers.get("authorization") for request in added.requests} == {None}
        for seconds, authorization in ((1, None), (60, "Bearer agents-token")):
            app.write_list(listed.address)
            await app.get("/metrics")
            app.moved.seconds += seconds
            await app.get("/metrics")
            app.write_list(listed.address, added.address)
            added.requests.clear()
            await app.get("/metrics")
            assert {request.headers.get("authorization") for request in added.requests} == {authorization}


async def test_commands_are_off_unless_set(tmp_path: Path) -> None:
    """Without AGENT_COMMANDS there is no such path."""
    async with run_scrape_app(tmp_path) as app:
        assert (await app.request("POST", "/command/start", b"web")).status == 404


async def test_commands_go_to_the_agent_of_a_container(tmp_path: Path) -> None:
    """The answer has the lines of the old aggregator; a name on several hosts, or with other characters, fails."""

    def run_command(request: Request) -> Response:
        is_known = request.query_params["container"] == "web"
        return Response("", 204) if is_known else Response("Error response from daemon: No such container: x\n", 500)

    containers = [{"name": "web"}, {"name": "both"}, {"name": "gone"}, {"name": "a;b"}]
    answers: dict[str, Response | Callable[[Request], Response]] = {
        "/get-data": build_data(containers=containers),
        "/command/start": run_command,
    }
    other_answers = {"/get-data": build_data(containers=[{"name": "both"}])}
    auth = {"Authorization": "Bearer t"}
    async with (
        run_scrape_app(tmp_path, AGENT_COMMANDS="on", SCRAPE_TOKEN="t") as app,
        run_agent_app(answers) as agent,
        run_agent_app(other_answers) as other,
    ):
        app.write_list(agent.address, other.address)
        assert (await app.request("POST", "/command/start", b"web")).status == 401
        reply = await app.request("POST", "/command/start", b"{web}", auth)
        assert (reply.status, reply.text) == (200, "  web -> success\n")
        reply = await app.request("POST", "/command/start", b"web,both,gone,none,a;b,--help", auth)
        assert reply.status == 500
        assert reply.text == (
            "  web -> success\n"
            "  both -> failed: several hosts have a container of this name: "
            f"{agent.address}, {other.address}\n"
            "  gone -> failed: Error response from daemon: No such container: x\n"
            "  none -> couldn't find ip address\n"
            "  a;b -> couldn't find ip address\n"
            "  --help -> couldn't find ip address\n"
        )
        reply = await app.request("POST", "/command/rm", b"web", auth)
        assert (reply.status, reply.text) == (500, "  web -> failed: Invalid Command\n")
        sent = [request for request in agent.requests if request.url.path.startswith("/command")]
        assert {request.method for request in sent} == {"POST"}


async def test_two_scrapers_share_one_scrape(tmp_path: Path) -> None:
    """Two Prometheis of a pair get the same bytes, and agents are asked once."""
    async with run_scrape_app(tmp_path, SCRAPE_REUSE="10") as app, run_agent_app() as agent:
        app.write_list(agent.address)
        first, second = await asyncio.gather(app.get("/metrics"), app.get("/metrics"))
        assert first == second == await app.get("/metrics")
        assert sorted(request.url.path for request in agent.requests) == ["/get-data", "/metrics"]


async def test_removed_agents_are_forgotten(tmp_path: Path) -> None:
    """What the server knows about an agent that is no longer in the list is dropped at the next scrape."""
    async with run_scrape_app(tmp_path) as app:
        app.write_list("127.0.0.1:8", "127.0.0.1:9")
        await app.get("/metrics")
        app.write_list("127.0.0.1:9")
        await app.get("/metrics")
        targets = json.loads(await app.get("/api/v1/targets"))["targets"]
        assert [(target["address"], target["up"]) for target in targets] == [("127.0.0.1:9", False)]


async def test_a_silent_name_server_does_not_hold_up_others(tmp_path: Path) -> None:
    """While all threads of the event loop wait for a name server, other targets are scraped, and agents added."""
    is_done = threading.Event()
    waiting = [asyncio.get_running_loop().run_in_executor(None, is_done.wait) for _ in range(100)]
    async with run_scrape_app(tmp_path) as app, run_agent_app({"/metrics": build_text_page("a 1\n")}) as agent:
        app.write_list(agent.address, "name.example:5050")
        samples = read_samples(await app.get("/scrape?agents", TIMEOUT))
        assert sorted(value for (name, _), value in samples.items() if name == "up") == [0, 1]
        assert (await app.request("POST", "/add-agent?port=5050")).status == 200
    is_done.set()
    await asyncio.gather(*waiting)
