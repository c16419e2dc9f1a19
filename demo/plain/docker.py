"""Two plain Docker hosts with cAdvisor and node_exporter, as static scrape targets without a label for the cluster."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

from demo.fleet_parts import NUC, PI, HardwareModel
from demo.plain.cadvisor import RunningContainer, render_docker_host
from demo.plain.hosts import DAY_SECONDS, PlainHost, render_node_exporter
from demo.plain.pods import generate_id
from demo.plain.workloads import MAX_CPU_SHARE, MAX_MEMORY_SHARE, ContainerSpec, specify_container
from demo.targets import ScrapeTarget

FIRST_HOST_NUMBER = 90
COMPOSE_LABEL = "container_label_com_docker_compose_"


@dataclass(frozen=True)
class DockerHost:
    """A Docker host: its machine, and its containers by Compose project, "" for those of none."""

    host: PlainHost
    cgroup_format: str
    projects: Mapping[str, tuple[ContainerSpec, ...]]

    def list_targets(self) -> list[ScrapeTarget]:
        """Return the scrape targets of the host."""
        return [
            ScrapeTarget(
                f"/docker/{self.host.name}/{job}",
                {"job": job, "instance": f"{self.host.name}:{port}"},
                render,
            )
            for job, port, render in (
                ("node", 9100, partial(render_node_exporter, self.host)),
                ("cadvisor", 8080, partial(render_docker_host, self.host, self._label_containers())),
            )
        ]

    def _label_containers(self) -> dict[RunningContainer, dict[str, str]]:
        """Return the containers with the labels of their series."""
        labels_by_container = {}
        for project, specs in self.projects.items():
            for spec in specs:
                container_id = generate_id(f"{self.host.name}/{spec.name}")
                container = RunningContainer(container_id, spec, self.host.boot_time_seconds + 60)
                labels_by_container[container] = {
                    f"{COMPOSE_LABEL}project": project,
                    f"{COMPOSE_LABEL}service": spec.name if project else "",
                    "id": self.cgroup_format.format(container_id),
                    "image": spec.image,
                    "name": spec.name,
                }
        return labels_by_container


def create_docker_hosts(since_seconds: float) -> tuple[DockerHost, ...]:
    """Return two hosts, with containers of the same names; the kernel of each has another name than the target."""
    web = specify_container("web", "nginx:1.29", 200, 96)
    database = specify_container("db", "postgres:17", 400, 512, limit_mebibytes=1024)
    broker = specify_container("mosquitto", "eclipse-mosquitto:2", 50, 24)
    flows = specify_container("node-red", "nodered/node-red:4.0", 150, 256)
    return (
        _create_host(
            0, "docker1.example.com", NUC, since_seconds, "/system.slice/docker-{}.scope", {"shop": (web, database)}
        ),
        _create_host(1, "ip-10-9-0-12", PI, since_seconds, "/docker/{}", {"home": (web, flows), "": (broker,)}),
    )


def _create_host(
    number: int,
    nodename: str,
    hardware: HardwareModel,
    since_seconds: float,
    cgroup_format: str,
    projects: Mapping[str, tuple[ContainerSpec, ...]],
) -> DockerHost:
    specs = [spec for project in projects.values() for spec in project]
    host = PlainHost(
        number=FIRST_HOST_NUMBER + number,
        name=f"docker{number + 1}",
        nodename=nodename,
        ip=f"10.9.0.{number + 11}",
        hardware=hardware,
        boot_time_seconds=since_seconds - (9 + number) * DAY_SECONDS,
        reserved_cores=MAX_CPU_SHARE * sum(spec.cpu_request_cores for spec in specs),
        reserved_memory_bytes=int(MAX_MEMORY_SHARE * sum(spec.memory_request_bytes for spec in specs)),
    )
    return DockerHost(host, cgroup_format, projects)
