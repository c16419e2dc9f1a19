"""Agents with an Engine each, pods of a Kubernetes API server, a scrape server, and two Prometheis that scrape it."""

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from demo.prometheus import run_prometheus_server
from tests.integration.gateway_process import GATEWAY_COMMAND
from tests.scrape.kubernetes_server import make_pod, write_kubeconfig
from tests.scrape.scrape_process import build_environment
from tests.soak.parts import OutageLog, Part, probe_http, probe_socket, reserve_port, run_parts
from tests.support.http_client import HOST, send_request

SCRAPE_INTERVAL_SECONDS = 2
REPORT_SECONDS = 3.0
# It must not be in a log.
SECRET = "soak-secret"
SECRET_HEADERS = [("X-Auth-Node", SECRET)]
REPORTING, PUSHING, LISTED = "reporting", "pushing", "listed"
# How each agent makes itself known: with reports, with reports and its page, or with /add-agent.
AGENT_KINDS = (REPORTING, REPORTING, PUSHING, LISTED)
JOBS = ("web", "web", "web", "db", "db")
SIMULATED_COMMAND = (sys.executable, "-m", "tests.soak.simulated_parts")
START_SECONDS = 30.0


@dataclass(frozen=True)
class SoakAgent:
    """An agent and its Engine."""

    node: str
    kind: str
    port: int
    process: Part
    engine: Part

    @property
    def address(self) -> str:
        """The address at which it is scraped."""
        return f"{HOST}:{self.port}"


@dataclass(frozen=True)
class SoakPod:
    """A pod of a job."""

    name: str
    job: str
    port: int
    process: Part

    @property
    def address(self) -> str:
        """The address at which it is scraped."""
        return f"{HOST}:{self.port}"


@dataclass(frozen=True)
class HostsSetup:
    """All parts; `pods_unknown` is the time from a crash of the scrape server until it has listed the pods again."""

    folder: Path
    agents: Sequence[SoakAgent]
    pods: Sequence[SoakPod]
    kubernetes: Part
    scrape_server: Part
    scrape_port: int
    prometheus_urls: list[str] = field(default_factory=list)
    pods_unknown: OutageLog = field(default_factory=OutageLog)

    @property
    def parts(self) -> list[Part]:
        """All parts, in the order in which they start."""
        engines, agents = [each.engine for each in self.agents], [each.process for each in self.agents]
        return [*engines, *(pod.process for pod in self.pods), self.kubernetes, self.scrape_server, *agents]

    @property
    def own_programs(self) -> list[Part]:
        """The parts that run this project's programs."""
        return [self.scrape_server, *(agent.process for agent in self.agents)]

    @property
    def agents_file(self) -> Path:
        """The list of agents."""
        return self.folder / "agents.yaml"


@contextmanager
def run_hosts_setup(folder: Path) -> Iterator[HostsSetup]:
    """Run everything while the block runs."""
    setup = build_setup(folder)
    with run_parts(setup.parts), ExitStack() as stack:
        for agent in setup.agents:
            if agent.kind == LISTED:
                path = f"/add-agent?port={agent.port}"
                assert send_request(setup.scrape_port, path, "POST", SECRET_HEADERS, b"").status == 200
                # The server learns its name, which is a label.
                assert send_request(setup.scrape_port, "/metrics").status == 200
        for number in (1, 2):
            work = folder / f"prometheus-{number}"
            work.mkdir()
            server = stack.enter_context(run_prometheus_server(work, build_prometheus_config(setup.scrape_port)))
            setup.prometheus_urls.append(server.url)
        yield setup


def build_setup(folder: Path) -> HostsSetup:
    """Return all parts, none of which runs yet."""
    scrape_port = reserve_port()
    agents = [
        _build_agent(folder, f"host-{number}", kind, scrape_port) for number, kind in enumerate(AGENT_KINDS, start=1)
    ]
    pods = [_build_pod(folder, f"{job}-{number}", job) for number, job in enumerate(JOBS, start=1)]
    kubernetes_port = reserve_port()
    objects = [make_pod(pod.name, ip=HOST, job_name=pod.job, port=str(pod.port)) for pod in pods]
    (folder / "pods.json").write_text(json.dumps(objects), encoding="utf-8")
    kubernetes = Part(
        "API server",
        "kubernetes",
        [*SIMULATED_COMMAND, "kubernetes", str(kubernetes_port), str(folder / "pods.json")],
        build_environment(folder, {}),
        folder,
        lambda: probe_http(kubernetes_port, "/api/v1/pods"),
    )
    write_kubeconfig(folder / "kubeconfig", f"http://{HOST}:{kubernetes_port}")
    scrape_server = Part(
        "scrape server",
        "scrape-server",
        [*GATEWAY_COMMAND, "scrape"],
        build_environment(folder, _build_scrape_settings(folder, scrape_port)),
        folder,
        lambda: probe_http(scrape_port, "/readyz"),
    )
    return HostsSetup(folder, agents, pods, kubernetes, scrape_server, scrape_port)


def _build_scrape_settings(folder: Path, port: int) -> dict[str, str]:
    return {
        "SCRAPE_PORT": str(port),
        # All parts are on this machine.
        "SCRAPE_ALLOW": f"{HOST}/32",
        "DISCOVERY_SECRET": SECRET,
        "KUBERNETES": "on",
        "KUBECONFIG": str(folder / "kubeconfig"),
        "CACHE_UPDATE_INTERVAL": "1",
        # As with the default interval of reports, a ttl is two intervals.
        "MIN_TTL": f"{2 * REPORT_SECONDS:g}",
    }


def _build_agent(folder: Path, node: str, kind: str, scrape_port: int) -> SoakAgent:
    port, engine_folder = reserve_port(), folder / f"engine-{node}"
    engine_folder.mkdir()
    socket_path = engine_folder / "engine.sock"
    engine = Part(
        "Engine",
        engine_folder.name,
        [*SIMULATED_COMMAND, "engine", str(engine_folder)],
        build_environment(folder, {}),
        folder,
        lambda: probe_socket(socket_path),
    )
    settings = {
        "HOME": str(folder),
        "NODE_NAME": node,
        "DOCKER_HOST": f"unix://{socket_path}",
        "AGENT_PORT": str(port),
        # An Engine that hangs must not use up the time of Prometheus.
        "COLLECT_TIMEOUT": "1",
    }
    if kind != LISTED:
        settings |= {"MASTER": f"{HOST}:{scrape_port}", "MASTER_SECRET": SECRET, "REPORT_INTERVAL": str(REPORT_SECONDS)}
    if kind == PUSHING:
        settings["PUSH_PAGE"] = "on"
    environment = build_environment(folder, settings)
    process = Part(
        "agent", f"agent-{node}", [*GATEWAY_COMMAND, "agent"], environment, folder, lambda: probe_http(port, "/metrics")
    )
    return SoakAgent(node, kind, port, process, engine)


def _build_pod(folder: Path, name: str, job: str) -> SoakPod:
    port = reserve_port()
    command = [*SIMULATED_COMMAND, "pod", str(port)]
    process = Part(
        "pod", f"pod-{name}", command, build_environment(folder, {}), folder, lambda: probe_http(port, "/metrics")
    )
    return SoakPod(name, job, port, process)


def build_prometheus_config(scrape_port: int) -> str:
    """Return a configuration with all ways to the targets; the label `via` keeps their series apart."""
    server = f"{HOST}:{scrape_port}"
    jobs = [
        _build_merged_job("page", server, "/metrics"),
        _build_merged_job("all", server, "/scrape", params={"all": [""]}),
        # As users of the older aggregator have it.
        *(_build_merged_job(f"job-{job}", server, f"/metrics?job={job}") for job in dict.fromkeys(JOBS)),
        _build_discovering_job("sd-agents", f"http://{server}/sd/agents"),
        _build_discovering_job("sd-self", f"http://{server}/sd/agents?via=self"),
        _build_discovering_job("sd-pods", f"http://{server}/sd/pods"),
    ]
    interval = f"{SCRAPE_INTERVAL_SECONDS}s"
    # JSON is YAML.
    return json.dumps({"global": {"scrape_interval": interval, "scrape_timeout": interval}, "scrape_configs": jobs})


def _build_merged_job(name: str, server: str, path: str, **options: Any) -> Mapping[str, Any]:
    target = {"targets": [server], "labels": {"via": name}}
    return {"job_name": name, "honor_labels": True, "metrics_path": path, "static_configs": [target], **options}


def _build_discovering_job(name: str, url: str) -> Mapping[str, Any]:
    return {
        "job_name": name,
        "http_sd_configs": [{"url": url, "refresh_interval": "1s"}],
        "relabel_configs": [{"target_label": "via", "replacement": name}],
    }
