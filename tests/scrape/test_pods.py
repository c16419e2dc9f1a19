"""aggregator/scrape/pods.py: pods are discovered through an API server that fails in every way."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Callable, Iterable
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from aggregator.scrape.kubernetes_api import KubernetesApi, KubernetesConfig, KubernetesError
from aggregator.scrape.pod_targets import PodRules
from aggregator.scrape.pods import DiscoveryTimes, PodDiscovery
from tests.scrape.kubernetes_server import KubernetesServer, make_pod, run_kubernetes_server, write_kubeconfig
from tests.support.certificate_authority import FileCertificateAuthority

FAST = DiscoveryTimes(list_interval=0.02, first_pause=0.01, max_pause=0.05)
WAIT_SECONDS = 20.0


class RunningDiscovery:
    """A discovery that runs in a task, and wakes its test with each change."""

    def __init__(self, api: KubernetesApi, namespaces: Iterable[str], times: DiscoveryTimes) -> None:
        self._changed = asyncio.Event()
        self.discovery = PodDiscovery(api, PodRules(), namespaces, times, self._changed.set)

    async def wait_for_pods(self, job: str, *pods: str) -> None:
        """Wait until the targets of a job are these."""
        await self.wait_until(lambda: tuple(target.pod for target in self.discovery.find_targets(job)) == pods)

    async def wait_until(self, condition: Callable[[], bool]) -> None:
        """Wait until a change makes a condition true."""
        async with asyncio.timeout(WAIT_SECONDS):
            while not condition():
                await self._changed.wait()
                self._changed.clear()


@contextlib.asynccontextmanager
async def run_discovery(
    config: KubernetesConfig, namespaces: Iterable[str] = (), times: DiscoveryTimes = FAST
) -> AsyncIterator[RunningDiscovery]:
    """Discover pods while the block runs."""
    async with KubernetesApi(config) as api:
        running = RunningDiscovery(api, namespaces, times)
        task = asyncio.create_task(running.discovery.run())
        try:
            yield running
            assert not task.done(), "discovery never ends"
        finally:
            task.cancel()
            await asyncio.wait([task])


@pytest.fixture
async def server() -> AsyncIterator[KubernetesServer]:
    """Run an API server with two pods of the job `j` and one pod without a job."""
    async with run_kubernetes_server() as running:
        running.set_pod(make_pod("b", job_name="j"))
        running.set_pod(make_pod("a", job_name="j", ip="fd00::1"))
        running.set_pod(make_pod("unlabelled"))
        yield running


@pytest.fixture
def config(server: KubernetesServer, tmp_path: Path) -> KubernetesConfig:
    """The configuration for the server."""
    return write_kubeconfig(tmp_path / "kubeconfig", server.url)


async def test_pods_with_the_label_are_listed(config: KubernetesConfig) -> None:
    """The targets of a job are its pods by namespace and name; a job that no pod has is unknown."""
    async with run_discovery(config) as running:
        known = [(running.discovery.is_complete, running.discovery.age_seconds is None)]
        await running.wait_for_pods("j", "a", "b")
        known.append((running.discovery.is_complete, running.discovery.age_seconds is None))
        assert known == [(False, True), (True, False)]
        assert [target.url for target in running.discovery.list_targets()] == [
            "http://[fd00::1]:80/metrics",
            "http://10.0.0.1:80/metrics",
        ]
        assert running.discovery.find_targets("other") == ()


async def test_changes_arrive_through_the_watch(server: KubernetesServer, config: KubernetesConfig) -> None:
    """Added, changed, finished and deleted pods change the targets without another list."""
    async with run_discovery(config) as running:
        await running.wait_for_pods("j", "a", "b")
        await server.wait_until_watched()
        server.set_pod(make_pod("c", job_name="j"))
        await running.wait_for_pods("j", "a", "b", "c")
        server.set_pod(make_pod("a", job_name="k"))
        await running.wait_for_pods("k", "a")
        server.set_pod(make_pod("b", job_name="j", phase="Succeeded"))
        await running.wait_for_pods("j", "c")
        server.delete_pod("c")
        server.delete_pod("unlabelled")
        await running.wait_for_pods("j")
    assert len(server.lists) == 1
    assert server.watches[0]["resourceVersion"] == "103"
    assert server.watches[0]["allowWatchBookmarks"] == "true"


async def test_a_large_pod_arrives_through_the_watch(server: KubernetesServer, config: KubernetesConfig) -> None:
    """A pod of two megabytes becomes a target without another list."""
    async with run_discovery(config) as running:
        await running.wait_for_pods("j", "a", "b")
        await server.wait_until_watched()
        pod = make_pod("c", job_name="j")
        pod["metadata"]["managedFields"] = [{"fieldsV1": "x" * 2 * 2**20}]
        server.set_pod(pod)
        await running.wait_for_pods("j", "a", "b", "c")
    assert len(server.lists) == 1


async def test_a_list_is_read_in_pages(server: KubernetesServer, config: KubernetesConfig) -> None:
    """All pages of a long list together are the targets."""
    server.page_size = 1
    async with run_discovery(config) as running:
        await running.wait_for_pods("j", "a", "b")
    assert [query.get("continue") for query in server.lists] == [None, "1", "2"]


async def test_a_watch_that_ends_continues_at_the_last_version(
    server: KubernetesServer, config: KubernetesConfig
) -> None:
    """After the end of a watch the next one starts at the version of the last event or bookmark, without a list."""
    async with run_discovery(config) as running:
        await running.wait_for_pods("j", "a", "b")
        await server.wait_until_watched()
        server.send({"type": "BOOKMARK", "object": {"kind": "Pod", "metadata": {"resourceVersion": "200"}}})
        server.send_bytes(None)
        await server.wait_until_watched()
        server.set_pod(make_pod("c", job_name="j"))
        await running.wait_for_pods("j", "a", "b", "c")
    assert [query["resourceVersion"] for query in server.watches] == ["103", "200"]
    assert len(server.lists) == 1


@pytest.mark.parametrize(
    "garbage", [b'{"type":"ADDED","obj', b"<html>\n", b'{"type":"ADDED","object":{"metadata":7}}\n']
)
async def test_a_watch_with_garbage_starts_again(
    server: KubernetesServer, config: KubernetesConfig, garbage: bytes
) -> None:
    """A line that is cut off or invalid ends the watch, and the targets stay."""
    async with run_discovery(config) as running:
        await running.wait_for_pods("j", "a", "b")
        await server.wait_until_watched()
        server.send_bytes(garbage)
        server.send_bytes(None)
        await server.wait_until_watched()
        server.set_pod(make_pod("c", job_name="j"))
        await running.wait_for_pods("j", "a", "b", "c")
    assert len(server.lists) == 1


async def test_a_version_that_is_too_old_lists_again(server: KubernetesServer, config: KubernetesConfig) -> None:
    """After 410 the pods are listed again, which finds what the watch has missed."""
    async with run_discovery(config) as running:
        await running.wait_for_pods("j", "a", "b")
        await server.wait_until_watched()
        del server.pods["ns1", "a"]
        server.send_error(410)
        await running.wait_for_pods("j", "b")
    assert len(server.lists) == 2


async def test_a_watch_refused_with_410_lists_again(server: KubernetesServer, config: KubernetesConfig) -> None:
    """410 as the status of the response means the same as in an event."""
    server.watch_status = 410
    async with run_discovery(config) as running:
        await running.wait_for_pods("j", "a", "b")
        del server.pods["ns1", "a"]
        await running.wait_for_pods("j", "b")


async def test_a_failure_is_logged_once(server: KubernetesServer, config: KubernetesConfig) -> None:
    """A failure that repeats is one warning, with advice if listing is forbidden; the first answer is logged, too."""
    server.list_status = 403
    with capture_logs() as entries:
        async with run_discovery(config) as running:
            while len(server.lists) < 3:
                server.on_request.clear()
                await server.on_request.wait()
            server.list_status = 200
            await running.wait_for_pods("j", "a", "b")
    assert [
        (each["event"], each.get("advice"), each.get("targets")) for each in entries if each["log_level"] != "debug"
    ] == [
        (
            "pods cannot be listed or watched, the last ones stay",
            "allow the service account to get, list and watch pods",
            None,
        ),
        ("pods are current", None, 2),
    ]


async def test_pods_are_listed_periodically_where_watching_is_forbidden(
    server: KubernetesServer, config: KubernetesConfig
) -> None:
    """Without the right to watch, changes arrive with the next list."""
    server.watch_status = 403
    async with run_discovery(config) as running:
        await running.wait_for_pods("j", "a", "b")
        server.set_pod(make_pod("c", job_name="j"))
        await running.wait_for_pods("j", "a", "b", "c")
        server.delete_pod("a")
        await running.wait_for_pods("j", "b", "c")
    assert len(server.lists) >= 3


async def test_a_silent_watch_is_broken_off(server: KubernetesServer, config: KubernetesConfig) -> None:
    """A watch without a byte, as after a lost connection, is replaced by another."""
    times = DiscoveryTimes(list_interval=0.02, idle=0.1, first_pause=0.01, max_pause=0.05)
    async with run_discovery(config, times=times) as running:
        await running.wait_for_pods("j", "a", "b")
        async with asyncio.timeout(WAIT_SECONDS):
            while len(server.watches) < 3:
                server.on_request.clear()
                await server.on_request.wait()
        assert len(running.discovery.find_targets("j")) == 2
    assert len(server.lists) == 1


async def test_the_last_pods_stay_while_the_api_server_is_away(
    server: KubernetesServer, config: KubernetesConfig
) -> None:
    """While lists and watches fail, the targets stay; afterwards they are current again."""
    async with run_discovery(config) as running:
        await running.wait_for_pods("j", "a", "b")
        await server.wait_until_watched()
        server.list_status = server.watch_status = 500
        server.send_error(410)
        async with asyncio.timeout(WAIT_SECONDS):
            while len(server.lists) < 4:
                server.on_request.clear()
                await server.on_request.wait()
        assert len(running.discovery.find_targets("j")) == 2
        age = running.discovery.age_seconds
        assert age is not None
        assert age > 0
        server.list_status = server.watch_status = 200
        server.set_pod(make_pod("c", job_name="j"))
        await running.wait_for_pods("j", "a", "b", "c")


async def test_a_server_that_does_not_listen_is_tried_again(tmp_path: Path) -> None:
    """Discovery waits for an API server that starts later, on the same address."""
    async with run_kubernetes_server() as first:
        url = first.url
    async with run_discovery(write_kubeconfig(tmp_path / "kubeconfig", url)) as running:
        await asyncio.sleep(0)
        async with run_kubernetes_server(port=int(url.rpartition(":")[2])) as second:
            second.set_pod(make_pod("late", job_name="j"))
            await running.wait_for_pods("j", "late")


async def test_only_the_chosen_namespaces_are_asked_for(server: KubernetesServer, config: KubernetesConfig) -> None:
    """With namespaces, no request for all pods of the cluster is sent, so that a Role is enough."""
    server.set_pod(make_pod("d", "ns2", job_name="j"))
    server.set_pod(make_pod("e", "ns3", job_name="j"))
    async with run_discovery(config, ["ns1", "ns2"]) as running:
        await running.wait_for_pods("j", "a", "b", "d")


async def test_invalid_options_cost_only_their_pod(server: KubernetesServer, config: KubernetesConfig) -> None:
    """A pod with an invalid label is a target with a problem, the others are as usual."""
    server.set_pod(make_pod("c", job_name="j", port="x@evil"))
    async with run_discovery(config) as running:
        await running.wait_for_pods("j", "a", "b", "c")
        problems = [target.problem for target in running.discovery.find_targets("j")]
        assert problems == ["", "", "port must be a number from 1 to 65535"]


def make_service_account(folder: Path, url: str, ca: Path, token: str) -> KubernetesConfig:
    """Write the files of a service account and return the configuration of a pod that uses them."""
    (folder / "token").write_text(token, encoding="utf-8")
    (folder / "ca.crt").write_bytes(ca.read_bytes())
    host, _, port = url.removeprefix("https://").partition(":")
    return KubernetesConfig({"KUBERNETES_SERVICE_HOST": host, "KUBERNETES_SERVICE_PORT": port}, folder)


async def test_a_rotated_token_is_read_again(tmp_path: Path) -> None:
    """When the API server refuses the token, it is read from its file again, and the pods are current."""
    authority = FileCertificateAuthority(tmp_path)
    files = authority.issue("kubernetes")
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(files.certificate, files.key)
    async with run_kubernetes_server(tls) as server:
        server.token = "first"
        server.set_pod(make_pod("a", job_name="j"))
        config = make_service_account(tmp_path, server.url, authority.certificate_file, "first")
        async with run_discovery(config) as running:
            await running.wait_for_pods("j", "a")
            await server.wait_until_watched()
            server.token = "second"
            await asyncio.to_thread((tmp_path / "token").write_text, "second")
            server.send_bytes(None)
            await server.wait_until_watched()
            server.set_pod(make_pod("b", job_name="j"))
            await running.wait_for_pods("j", "a", "b")
        assert server.refused_tokens == ["Bearer first"]
        assert len(server.lists) == 1


async def test_without_credentials_there_is_an_error(tmp_path: Path) -> None:
    """A pod without the files of its service account is told so."""
    with pytest.raises(KubernetesError, match="credentials"):
        async with KubernetesApi(KubernetesConfig({}, tmp_path)):
            pass
