"""Discover many pods: python -m benchmarks.pod_discovery [--fake] [PODS].

The API server is a real one without nodes, which the first run builds with Go. `--fake` uses one in Python whose pods
are as large as real ones, 5 kB. Each tenth pod is a target.
"""

import argparse
import asyncio
import copy
import json
import multiprocessing
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path

from aggregator.scrape.kubernetes_api import KubernetesApi, KubernetesConfig
from aggregator.scrape.pod_targets import PodRules
from aggregator.scrape.pods import PODS_PER_LIST_REQUEST, PodDiscovery
from tests.kubernetes.api_server import run_api_server
from tests.scrape.kubernetes_server import JsonObject, make_pod, run_kubernetes_server, write_kubeconfig
from tools.parts.kubernetes import obtain_kubernetes_programs

TARGET_RATIO = 10
CREATING_THREADS = 4
# What a real pod has besides the fields that are read: volumes, probes, conditions and managed fields.
_FILLING = {f"field{number}": {"mountPath": "/var/lib/x", "name": "volume", "readOnly": True} for number in range(70)}

# Adds a pod with the job `late`.
PodAdder = Callable[[], None]


def main() -> None:
    """Start the server and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fake", action="store_true")
    parser.add_argument("pods", type=int, nargs="?", default=5000)
    options = parser.parse_args()
    run = run_fake_server if options.fake else run_real_server
    with tempfile.TemporaryDirectory() as folder, run(Path(folder), options.pods) as (config, add_pod):
        asyncio.run(measure(config, add_pod))


def make_numbered_pod(number: int) -> JsonObject:
    """Return one of many pods."""
    labels = {"job_name": "j"} if number % TARGET_RATIO == 0 else {}
    return make_pod(f"pod-{number}", "default", f"10.0.{number // 250}.{number % 250}", **labels)


@contextmanager
def run_real_server(folder: Path, pod_count: int) -> Iterator[tuple[KubernetesConfig, PodAdder]]:
    """Run a real API server with pods."""
    with run_api_server(obtain_kubernetes_programs(), folder) as server:

        def create(pod: JsonObject) -> None:
            manifest = {"apiVersion": "v1", "kind": "Pod", "metadata": pod["metadata"], "spec": pod["spec"]}
            del manifest["metadata"]["uid"], manifest["spec"]["nodeName"]
            server.api.apply(manifest)
            server.api.set_status({**manifest, "status": pod["status"]})

        with ThreadPoolExecutor(CREATING_THREADS) as threads:
            list(threads.map(create, map(make_numbered_pod, range(pod_count))))
        config = write_kubeconfig(folder / "kubeconfig", server.api.url)
        kubeconfig = json.loads((folder / "kubeconfig").read_text())
        kubeconfig["clusters"][0]["cluster"]["certificate-authority"] = str(server.api.ca_file)
        kubeconfig["users"][0]["user"]["token"] = server.api.token
        (folder / "kubeconfig").write_text(json.dumps(kubeconfig))
        yield config, lambda: create(make_pod("late", "default", job_name="late"))


@contextmanager
def run_fake_server(folder: Path, pod_count: int) -> Iterator[tuple[KubernetesConfig, PodAdder]]:
    """Run a fake API server with pods in another process."""
    parent, child = multiprocessing.Pipe()
    server = multiprocessing.Process(target=serve_pods, args=(child, pod_count), daemon=True)
    server.start()
    try:
        yield write_kubeconfig(folder / "kubeconfig", parent.recv()), lambda: parent.send("add a pod")
    finally:
        server.kill()


def serve_pods(connection: Connection, pod_count: int) -> None:
    """Serve pods, and add one when told to."""

    async def serve() -> None:
        async with run_kubernetes_server() as server:
            server.page_size = PODS_PER_LIST_REQUEST
            for pod in map(make_numbered_pod, range(pod_count)):
                pod["spec"].update(copy.deepcopy(_FILLING))
                server.set_pod(pod)
            connection.send(server.url)
            await asyncio.to_thread(connection.recv)
            server.set_pod(make_pod("late", "default", job_name="late"))
            await asyncio.Event().wait()

    asyncio.run(serve())


async def measure(config: KubernetesConfig, add_pod: PodAdder) -> None:
    """Print the cost of the first list, and how long a new pod takes to become a target."""
    changed = asyncio.Event()
    async with KubernetesApi(config) as api:
        memory_before, cpu_before, start = read_memory_mebibytes(), time.process_time(), time.perf_counter()
        discovery = PodDiscovery(api, PodRules(), on_change=changed.set)
        task = asyncio.create_task(discovery.run())
        await changed.wait()
        print(f"{len(discovery.find_targets('j'))} targets listed in {time.perf_counter() - start:.2f} s", end=", ")
        print(f"{time.process_time() - cpu_before:.2f} s CPU, {read_memory_mebibytes() - memory_before} MiB more")
        start = time.perf_counter()
        adding = asyncio.create_task(asyncio.to_thread(add_pod))
        while not discovery.find_targets("late"):
            changed.clear()
            await changed.wait()
        print(f"a new pod is a target after {1000 * (time.perf_counter() - start):.0f} ms")
        await adding
        task.cancel()
        await asyncio.wait([task])


def read_memory_mebibytes() -> int:
    """Return the resident memory."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.partition("VmRSS:")[2].split()[0]) // 1024


if __name__ == "__main__":
    main()
