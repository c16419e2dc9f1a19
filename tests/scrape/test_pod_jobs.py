"""aggregator/scrape/pod_jobs.py: the jobs of pods over HTTP, as the older Kubernetes aggregator served them."""

import asyncio
import json
import signal
import ssl
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from ipaddress import ip_network
from pathlib import Path

import pytest
from aiohttp import web
from starlette.responses import Response

from aggregator.exposition.page import PageLimits
from aggregator.scrape.fetch import PageFetcher
from aggregator.scrape.guard import AddressGuard
from aggregator.scrape.pod_jobs import PodScraper
from aggregator.scrape.pod_targets import PodTarget
from aggregator.scrape.service_account import ServiceAccount
from demo.prometheus import run_prometheus_server
from tests.integration.gateway_process import wait_until
from tests.scrape.kubernetes_server import (
    JsonObject,
    make_pod,
    run_kubernetes_server,
    write_kubeconfig,
)
from tests.scrape.running_app import RunningScrapeApp, ScriptedAgent, build_text_page, run_agent_app, run_scrape_app
from tests.scrape.scrape_process import run_command, run_scrape_process
from tests.scrape.test_agent_endpoints import read_samples
from tests.support.certificate_authority import FileCertificateAuthority
from tests.support.http_client import send_request

WAIT_SECONDS = 20.0
SCRAPE_LOOPBACK = (ip_network("127.0.0.0/8"),)


def make_local_pod(name: str, agent: ScriptedAgent | None, job: str = "j", **labels: str) -> JsonObject:
    """Return a pod whose page a scripted agent serves."""
    port = {} if agent is None else {"port": str(agent.port)}
    return make_pod(name, ip="127.0.0.1", **{"job_name": job, **port, **labels})


@asynccontextmanager
async def run_pod_app(folder: Path, *pods: JsonObject, **variables: str) -> AsyncIterator[RunningScrapeApp]:
    """Run the application with an API server that has these pods; loopback addresses may be scraped."""
    async with run_kubernetes_server() as kubernetes:
        for pod in pods:
            kubernetes.set_pod(pod)
        config = write_kubeconfig(folder / "kubeconfig", kubernetes.url)
        settings = {"KUBERNETES": "on", "KUBECONFIG": str(config.kubeconfig), "SCRAPE_ALLOW": "127.0.0.0/8"} | variables
        async with run_scrape_app(folder, **settings) as app:
            # The watch begins when the list is known.
            await kubernetes.wait_until_watched()
            yield app


PAGE = '# TYPE a gauge\na{x="1"} 1 1700000000000\n'
EXPECTED_PAGE = (
    "# TYPE a gauge\n"
    'a{x="1",instance="p",job="j",pod_namespace="ns1",pod_ip="127.0.0.1"} 1 1700000000000\n'
    'up{job="j",instance="p",pod_namespace="ns1",pod_ip="127.0.0.1"} 1\n\n'
)


@pytest.mark.parametrize(
    "path",
    [
        "/?job=j",
        "/metrics?job=j",
        "/metrics%3Fjob=j",
        "/any/path?x=1&job=other&job=j",
        "/metrics?job=%256A",
        "/metrics%3Fjob=other?job=j",
    ],
)
async def test_a_job_is_found_in_any_path(tmp_path: Path, path: str) -> None:
    """The job is a parameter, also of a path whose question mark is encoded; it is decoded twice, and the last wins."""
    async with (
        run_agent_app({"/metrics": build_text_page(PAGE)}) as agent,
        run_pod_app(tmp_path, make_local_pod("p", agent)) as app,
    ):
        reply = await app.request("GET", path)
        assert (reply.status, reply.text) == (200, EXPECTED_PAGE)
        assert reply.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
        assert (await app.request("HEAD", path)).status == 200


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/any", "Target job param/name not specified"),
        ("/any?x=1", "Target job param/name not specified"),
        ("/metrics?job=", "Target job param/name not specified"),
        ("/metrics?job=unknown", "Target job name not found in cache"),
        ("/metrics%3Fjob=_cache-last-update", "Target job name not found in cache"),
    ],
)
async def test_the_errors_of_the_older_program(tmp_path: Path, path: str, expected: str) -> None:
    """Without a job, and with an unknown one, the answer is 400 with a text without a line end."""
    async with run_agent_app() as agent, run_pod_app(tmp_path, make_local_pod("p", agent)) as app:
        reply = await app.request("GET", path)
        assert (reply.status, reply.text) == (400, expected)


async def test_a_bad_pod_costs_only_itself(tmp_path: Path) -> None:
    """Pods that answer with an error, garbage, a redirect or not at all are down, with the reason; others are whole."""
    answers = {
        "/metrics": build_text_page(PAGE),
        "/garbage": build_text_page("a 1\ngarbage\n"),
        "/redirect": Response(status_code=302, headers={"Location": "/metrics"}),
    }
    async with run_agent_app(answers) as agent:
        agent.hanging_paths.add("/hang")
        pods = [
            make_local_pod("good", agent),
            make_local_pod("garbage", agent, endpoint="garbage"),
            make_local_pod("missing", agent, endpoint="missing"),
            make_local_pod("redirect", agent, endpoint="redirect"),
            make_local_pod("hang", agent, endpoint="hang"),
            make_local_pod("label", None, port="http"),
        ]
        async with run_pod_app(tmp_path, *pods) as app:
            headers = {"X-Prometheus-Scrape-Timeout-Seconds": "1"}
            samples = read_samples(await app.get("/metrics?job=j", headers))
            values = {dict(labels)["instance"]: value for (name, labels), value in samples.items() if name == "up"}
            assert values == {"good": 1, "garbage": 0, "missing": 0, "redirect": 0, "hang": 0, "label": 0}
            assert sum(name == "a" for name, _ in samples) == 1
            targets = json.loads(await app.get("/api/v1/targets"))["targets"]
            assert {target["name"]: target["reason"] for target in targets} == {
                "ns1/good": None,
                "ns1/garbage": "not_text",
                "ns1/missing": "status",
                "ns1/redirect": "status",
                "ns1/hang": "deadline",
                "ns1/label": "invalid_option",
            }


async def test_addresses_that_are_not_allowed(tmp_path: Path) -> None:
    """Without SCRAPE_ALLOW, a pod with a loopback address is not connected."""
    async with (
        run_agent_app({"/metrics": build_text_page(PAGE)}) as agent,
        run_pod_app(tmp_path, make_local_pod("p", agent), SCRAPE_ALLOW="10.0.0.0/8") as app,
    ):
        assert "} 0\n" in await app.get("/metrics?job=j")
        (target,) = json.loads(await app.get("/api/v1/targets"))["targets"]
        assert target["reason"] == "not_allowed"
        assert agent.requests == []


async def test_readers_need_the_token(tmp_path: Path) -> None:
    """With SCRAPE_TOKEN, a job is not shown without it."""
    async with (
        run_agent_app() as agent,
        run_pod_app(tmp_path, make_local_pod("p", agent), SCRAPE_TOKEN="reader-token") as app,
    ):
        assert (await app.request("GET", "/metrics?job=j")).status == 401
        assert (await app.request("GET", "/other")).status == 401
        authorization = {"Authorization": "Bearer reader-token"}
        assert (await app.request("GET", "/other", headers=authorization)).status == 400


async def test_two_scrapers_share_one_scrape(tmp_path: Path) -> None:
    """Two Prometheis that ask for the same job get the same bytes, and the pod gets one request."""
    async with (
        run_agent_app({"/metrics": build_text_page(PAGE)}) as agent,
        run_pod_app(tmp_path, make_local_pod("p", agent), SCRAPE_REUSE="60") as app,
    ):
        first, second = await asyncio.gather(app.get("/metrics?job=j"), app.get("/metrics%3Fjob=j"))
        assert first == second == EXPECTED_PAGE
        assert len(agent.requests) == 1


async def test_pods_on_merged_pages(tmp_path: Path) -> None:
    """`/scrape?job=` adds the labels that http_sd has, and keeps own ones as exported."""
    page = build_text_page('a{pod="own"} 1\n')
    async with (
        run_agent_app({"/metrics": page}) as agent,
        run_pod_app(
            tmp_path, make_local_pod("p", agent), make_local_pod("q", agent, job="k"), CLUSTER_NAME="c1"
        ) as app,
    ):
        labels = {
            "job": "j",
            "instance": agent.address,
            "cluster": "c1",
            "namespace": "ns1",
            "pod": "p",
        }
        samples = read_samples(await app.get("/scrape?job=j"))
        assert ("a", tuple(sorted({**labels, "exported_pod": "own"}.items()))) in samples
        assert ("up", tuple(sorted(labels.items()))) in samples
        assert sum(name == "a" for name, _ in read_samples(await app.get("/scrape?job=j&job=k"))) == 2
        assert sum(name == "a" for name, _ in read_samples(await app.get("/scrape?all"))) == 2


async def test_pods_are_discovered_by_prometheus(tmp_path: Path) -> None:
    """`/sd/pods` has address, scheme, path and parameters of each pod; pods with an invalid option are left out."""
    pod = make_pod("p", ip="fd00::1", job_name="j", tls_enabled="true", port="8443")
    pod["metadata"]["annotations"] = {"metrics-aggregator.apawel.me/endpoint": "a/b?format=x"}
    async with run_pod_app(tmp_path, pod, make_pod("q", job_name="j", port="http")) as app:
        assert json.loads(await app.get("/sd/pods")) == [
            {
                "targets": ["[fd00::1]:8443"],
                "labels": {
                    "job": "j",
                    "cluster": "default",
                    "namespace": "ns1",
                    "pod": "p",
                    "__scheme__": "https",
                    "__metrics_path__": "/a/b",
                    "__param_format": "x",
                },
            }
        ]
        assert await app.get("/sd/pods?job=other") == "[]"
        (target, _) = json.loads(await app.get("/api/v1/targets"))["targets"]
        assert (target["name"], target["up"]) == ("ns1/p", None)


async def test_the_age_of_the_discovery_is_a_metric(tmp_path: Path) -> None:
    """`/metrics` has the number of pods and the time since the API server was last heard of."""
    async with run_agent_app() as agent, run_pod_app(tmp_path, make_local_pod("p", agent)) as app:
        samples = read_samples(await app.get("/metrics"))
        assert samples["aggregator_scrape_pods", ()] == 1
        assert 0 <= samples["aggregator_scrape_discovery_age_seconds", ()] < WAIT_SECONDS


async def test_without_an_api_server_no_job_is_known(tmp_path: Path) -> None:
    """The server starts without the API server; its other endpoints work, and its jobs are unknown."""
    config = write_kubeconfig(tmp_path / "kubeconfig", "http://127.0.0.1:9")
    async with run_scrape_app(tmp_path, KUBERNETES="on", KUBECONFIG=str(config.kubeconfig)) as app:
        assert (await app.request("GET", "/metrics?job=j")).text == "Target job name not found in cache"
        assert "aggregator_scrape_pods 0\n" in await app.get("/metrics")
        assert "aggregator_scrape_discovery_age_seconds " not in await app.get("/metrics")


async def test_prometheus_keeps_its_pods_until_they_are_listed(tmp_path: Path) -> None:
    """Before the first list of pods, `/sd/pods` is 503: Prometheus drops pods that a successful answer lacks."""
    config = write_kubeconfig(tmp_path / "kubeconfig", "http://127.0.0.1:9")
    async with run_scrape_app(tmp_path, KUBERNETES="on", KUBECONFIG=str(config.kubeconfig)) as app:
        for path in ("/sd/pods", "/sd/pods?job=j"):
            assert (await app.request("GET", path)).status == 503
        assert await app.get("/sd/agents") == "[]"


async def test_without_kubernetes_other_paths_are_not_found(tmp_path: Path) -> None:
    """Outside of a cluster, jobs do not exist, and the path decides alone."""
    async with run_scrape_app(tmp_path) as app:
        assert (await app.request("GET", "/other?job=j")).status == 404
        assert (await app.request("GET", "/metrics?job=j")).status == 200


async def test_a_real_prometheus_scrapes_a_job(tmp_path: Path) -> None:
    """The recommended configuration, `metrics_path: "/metrics?job=j"`, works unchanged."""
    page = build_text_page('# TYPE a counter\na{x="1"} 1\n')
    async with run_agent_app({"/metrics": page}) as agent, run_pod_app(tmp_path, make_local_pod("p", agent)) as app:
        config = f"""
global: {{scrape_interval: 1s, scrape_timeout: 1s}}
scrape_configs:
  - job_name: pods
    honor_labels: true
    metrics_path: "/metrics?job=j"
    static_configs: [{{targets: ["{app.url.removeprefix("http://")}"]}}]
"""
        (tmp_path / "prometheus").mkdir()

        def query_prometheus() -> list[JsonObject]:
            with run_prometheus_server(tmp_path / "prometheus", config) as prometheus:

                def query() -> list[JsonObject]:
                    reply = send_request(int(prometheus.url.rpartition(":")[2]), "/api/v1/query?query=a")
                    result: list[JsonObject] = json.loads(reply.body)["data"]["result"]
                    return result

                return wait_until(query, "the job is scraped")

        (sample,) = await asyncio.to_thread(query_prometheus)
        assert sample["metric"] == {
            "__name__": "a",
            "x": "1",
            "instance": "p",
            "job": "j",
            "pod_namespace": "ns1",
            "pod_ip": "127.0.0.1",
        }


async def test_the_process_discovers_pods(tmp_path: Path) -> None:
    """`aggregator scrape` finds the pods of its cluster, and stops when it is told to."""
    async with run_agent_app({"/metrics": build_text_page(PAGE)}) as agent, run_kubernetes_server() as kubernetes:
        kubernetes.set_pod(make_local_pod("p", agent))
        config = write_kubeconfig(tmp_path / "kubeconfig", kubernetes.url)
        settings = {"KUBERNETES": "on", "KUBECONFIG": str(config.kubeconfig), "SCRAPE_ALLOW": "127.0.0.0/8"}
        with run_scrape_process(tmp_path, **settings) as server:
            (port,) = await asyncio.to_thread(lambda: server.ports)
            await kubernetes.wait_until_watched()
            reply = await asyncio.to_thread(send_request, port, "/metrics?job=j")
            assert reply.body.decode() == EXPECTED_PAGE
            assert await asyncio.to_thread(server.stop, signal.SIGTERM) == 0


def test_missing_credentials_end_the_process(tmp_path: Path) -> None:
    """With KUBERNETES=on and without a kubeconfig file, the command prints the reason and ends with code 1."""
    settings = {"KUBERNETES": "on", "KUBECONFIG": str(tmp_path / "missing"), "SCRAPE_PORT": "0"}
    completed = run_command(tmp_path, "scrape", **settings)
    assert (completed.returncode, completed.stderr) == (1, f"KUBECONFIG: {tmp_path}/missing does not exist\n")
    (tmp_path / "missing").write_text("{}", encoding="utf-8")
    completed = run_command(tmp_path, "scrape", **settings)
    assert completed.returncode == 1
    assert completed.stderr.splitlines()[-1].startswith("Kubernetes: the credentials cannot be read")


@dataclass
class TlsPod:
    """A pod with TLS, and the tokens that it got."""

    port: int
    accepted_token: str | None = None
    tokens: list[str | None] = field(default_factory=list)

    async def handle(self, request: web.Request) -> web.Response:
        """Return a page, or 401 for another token than the accepted one."""
        token = request.headers.get("Authorization")
        self.tokens.append(token)
        is_accepted = self.accepted_token is None or token == f"Bearer {self.accepted_token}"
        return web.Response(text="a 1\n", status=200 if is_accepted else 401)


@asynccontextmanager
async def run_tls_pod(authority: FileCertificateAuthority) -> AsyncIterator[TlsPod]:
    """Run a pod whose certificate the CA of the cluster has issued."""
    files = authority.issue("pod")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(files.certificate, files.key)
    pod = TlsPod(0)
    application = web.Application()
    application.router.add_get("/metrics", pod.handle)
    runner = web.AppRunner(application, shutdown_timeout=0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    pod.port = runner.addresses[0][1]
    try:
        yield pod
    finally:
        await runner.cleanup()


@pytest.fixture
def authority(tmp_path: Path) -> FileCertificateAuthority:
    """The CA of the cluster, in the files of a service account with the token `first`."""
    authority = FileCertificateAuthority(tmp_path, "ca")
    (tmp_path / "ca.crt").write_bytes(authority.certificate_file.read_bytes())
    (tmp_path / "token").write_text("first\n")
    return authority


async def open_scraper(stack: AsyncExitStack, folder: Path) -> PodScraper:
    """Return a scraper with the service account in the folder."""
    guard = AddressGuard(SCRAPE_LOOPBACK)
    fetcher = await stack.enter_async_context(PageFetcher(guard, 2**20))
    return PodScraper(fetcher, PageLimits(), ServiceAccount(folder))


async def test_the_token_goes_only_where_both_sides_agree(tmp_path: Path, authority: FileCertificateAuthority) -> None:
    """A pod with verified TLS gets the token only if it is a target that the rules allow to have it."""
    async with AsyncExitStack() as stack:
        pod = await stack.enter_async_context(run_tls_pod(authority))
        scraper = await open_scraper(stack, tmp_path)
        for sends_token, verifies_tls in ((False, True), (True, True), (False, False)):
            target = PodTarget(
                "j",
                "ns1",
                "p",
                "127.0.0.1",
                pod.port,
                scheme="https",
                verifies_tls=verifies_tls,
                sends_token=sends_token,
            )
            scrape = await scraper.scrape(target, 10)
            assert scrape.error is None
        assert pod.tokens == [None, "Bearer first", None]


async def test_a_refused_token_is_read_again(tmp_path: Path, authority: FileCertificateAuthority) -> None:
    """After 401 the next scrape has the token that is in the file by then."""
    async with AsyncExitStack() as stack:
        pod = await stack.enter_async_context(run_tls_pod(authority))
        scraper = await open_scraper(stack, tmp_path)
        target = PodTarget("j", "ns1", "p", "127.0.0.1", pod.port, scheme="https", sends_token=True)
        pod.accepted_token = "second"
        await asyncio.to_thread((tmp_path / "token").write_text, "second")
        scrapes = [await scraper.scrape(target, 10)]
        await asyncio.to_thread((tmp_path / "token").write_text, "third")
        pod.accepted_token = "third"
        scrapes += [await scraper.scrape(target, 10), await scraper.scrape(target, 10)]
        assert [scrape.error is None for scrape in scrapes] == [True, False, True]
        assert pod.tokens == ["Bearer second", "Bearer second", "Bearer third"]


async def test_a_certificate_of_another_ca_is_refused(tmp_path: Path, authority: FileCertificateAuthority) -> None:
    """A pod whose certificate the cluster has not issued is down, unless it says that it must not be verified."""
    (tmp_path / "other").mkdir()
    async with AsyncExitStack() as stack:
        pod = await stack.enter_async_context(run_tls_pod(FileCertificateAuthority(tmp_path / "other")))
        scraper = await open_scraper(stack, tmp_path)
        target = PodTarget("j", "ns1", "p", "127.0.0.1", pod.port, scheme="https", sends_token=True)
        scrape = await scraper.scrape(target, 10)
        assert scrape.error is not None
        assert scrape.error.reason == "tls"
        (tmp_path / "ca.crt").unlink()
        scrape = await scraper.scrape(target, 10)
        assert scrape.error is not None
        assert scrape.error.reason == "tls"
        assert pod.tokens == []
