"""Hosts and containers that agents describe, and hosts that are registered at a scrape server."""

import pytest

from aggregator.models.builder.finalize import find_docker_phase
from aggregator.models.topology import Container, Node, Topology
from aggregator.refresh.snapshot import list_build_gaps
from tests.support.scenarios import AT_SECONDS, build_scenario, read_scenario, read_scraped


def scrape_agent(node: str, cluster: str = "edge") -> str:
    """Return the page of the agent as Prometheus stores it with the labels of http_sd."""
    return read_scraped("agent", job="agents", instance=f"{node}.example.com:5050", cluster=cluster, node=node)


def register(node: str, *, up: bool, age_seconds: float = 0, cluster: str = "edge") -> str:
    """Return the series of a registered node."""
    labels = f'cluster="{cluster}",node="{node}",job="scrape",instance="scrape:5000"'
    return (
        f"aggregator_node_up{{{labels}}} {int(up)}\n"
        f"aggregator_node_last_report_timestamp_seconds{{{labels}}} {AT_SECONDS - age_seconds}\n"
    )


def find_container(topology: Topology, name: str) -> Container:
    """Return the container of the pod with this name."""
    return topology.pods["edge", name].containers[name]


def test_a_host_with_an_agent() -> None:
    """The agent describes the host under the names of node_exporter, and its container engine."""
    topology, stats = build_scenario(scrape_agent("edge1"))
    (node,) = topology.nodes.values()
    assert (node.cluster, node.key, node.engine, node.architecture) == ("edge", "edge1", "docker", "aarch64")
    assert (node.host_memory_bytes, node.available_memory_bytes, node.uptime_seconds) == (8e9, 5e9, 8200)
    assert node.is_reporting is None
    assert not list_build_gaps(stats)


def test_a_container_that_runs() -> None:
    """It has usage, limit and start from the metrics of cAdvisor, the rest from those of the Engine."""
    topology, _ = build_scenario(scrape_agent("edge1"))
    pod = topology.pods["edge", "web"]
    assert (pod.node, pod.phase, pod.uid) == ("edge1", "Running", "aaaaaaaa" + "0" * 55 + "1")
    assert (pod.receive_bytes_per_second, pod.transmit_bytes_per_second) == (100, 50)
    assert pod.containers == {
        "web": Container(
            "web",
            cpu_usage_cores=0.25,
            memory_bytes=43_000_000,
            image="nginx:1.27",
            last_seen_seconds=AT_SECONDS,
            restart_count=2,
            state="running",
            start_seconds=1_795_204_600,
            memory_limit_bytes=134_217_728,
            health="healthy",
            oom_kill_count=0,
        )
    }


def test_containers_that_do_not_run() -> None:
    """A stopped or paused container is listed with its state, and one that has ended with its exit code."""
    topology, _ = build_scenario(scrape_agent("edge1"))
    job, db = find_container(topology, "job"), find_container(topology, "db")
    assert (job.state, job.reason, job.exit_code, job.oom_kill_count) == ("terminated", "exited", 137, 1)
    assert (job.image, job.memory_bytes, job.health) == ("backup:3", None, None)
    assert (db.state, db.reason, db.exit_code, db.health) == ("waiting", "paused", None, "starting")
    assert (topology.pods["edge", "job"].phase, topology.pods["edge", "db"].phase) == ("Failed", "Running")


@pytest.mark.parametrize(
    ("container", "phase"),
    [
        (Container("c", state="running"), "Running"),
        (Container("c", state="waiting", reason="created"), "Pending"),
        (Container("c", state="waiting", reason="restarting"), "Running"),
        (Container("c", state="terminated", exit_code=0), "Succeeded"),
        (Container("c", state="terminated", exit_code=1), "Failed"),
        (Container("c", state="terminated"), None),
        (Container("c"), None),
    ],
)
def test_the_phase_of_a_container(container: Container, phase: str | None) -> None:
    """The phase of a pod that represents a container follows from its state and exit code."""
    assert find_docker_phase([container]) == phase


def test_equal_container_names_on_two_hosts() -> None:
    """Each host has its own containers, with the values that its own agent reports."""
    second = scrape_agent("edge2").replace("43000000", "44000000").replace("aaaaaaaa", "dddddddd")
    topology, stats = build_scenario(scrape_agent("edge1") + second)
    web = {
        pod.node: (pod.uid[:8], pod.containers["web"].memory_bytes, pod.containers["web"].health)
        for pod in topology.pods.values()
        if pod.name == "web"
    }
    assert web == {"edge1": ("aaaaaaaa", 43_000_000, "healthy"), "edge2": ("dddddddd", 44_000_000, "healthy")}
    assert len(topology.pods) == 6
    # The fixture gives both hosts one name in uname, so their keys are those of the label.
    assert sorted(node.key for node in topology.nodes.values()) == ["edge1", "edge2"]
    assert not list_build_gaps(stats)


def test_an_agent_without_labels() -> None:
    """Without the labels `cluster` and `node`, the target names the host, and its cluster is the default one."""
    topology, stats = build_scenario(read_scraped("agent", job="agents", instance="edge1:5050"))
    assert list(topology.nodes) == [("default", "edge1")]
    assert {pod.node for pod in topology.pods.values()} == {"edge1"}
    assert not list_build_gaps(stats)


def test_an_agent_beside_cadvisor() -> None:
    """A container that cAdvisor reports, too, is listed once."""
    cadvisor = "".join(
        f"{line}\n"
        for line in read_scraped(
            "agent", job="cadvisor", instance="edge1:8080", cluster="edge", node="edge1"
        ).splitlines()
        if line.startswith("container_")
    )
    topology, stats = build_scenario(scrape_agent("edge1") + cadvisor)
    assert sorted(name for _, name in topology.pods) == ["db", "job", "web"]
    assert not list_build_gaps(stats)


def test_containers_of_a_kubelet_are_left_to_kubernetes() -> None:
    """An agent beside a kubelet that uses Docker does not list the containers of pods a second time."""
    topology, _ = build_scenario(scrape_agent("edge1").replace('name="job"', 'name="k8s_job_job-0_shop"'))
    assert sorted(name for _, name in topology.pods) == ["db", "web"]


def test_an_engine_that_does_not_run() -> None:
    """The host remains, without a container engine and without containers."""
    page = 'docker_engine_up{job="agents",instance="edge1:5050",cluster="edge",node="edge1"} 0\n'
    topology, stats = build_scenario(page)
    (node,) = topology.nodes.values()
    assert (node.key, node.engine, node.last_seen_seconds, topology.pods) == ("edge1", None, AT_SECONDS, {})
    assert not list_build_gaps(stats)


def test_a_silent_host() -> None:
    """A registered node that does not report remains with the time of its last report; views without a mark omit it."""
    series = scrape_agent("edge1") + register("edge1", up=True) + register("edge2", up=False, age_seconds=7200)
    topology, stats = build_scenario(series)
    edge1, edge2 = topology.nodes["edge", "edge1"], topology.nodes["edge", "edge2"]
    assert (edge1.is_reporting, edge1.is_silent, edge1.last_seen_seconds) == (True, False, AT_SECONDS)
    assert edge2 == Node(
        cluster="edge",
        key="edge2",
        id="edge/edge2",
        node_label="edge2",
        is_reporting=False,
        last_seen_seconds=AT_SECONDS - 7200,
        pod_count=0,
    )
    assert edge2.is_silent
    assert list(topology.drop_absent_nodes().nodes) == [("edge", "edge1")]
    assert not list_build_gaps(stats)


def test_a_host_whose_agent_is_silent_but_that_another_exporter_describes() -> None:
    """It is marked as not reporting and keeps its current values, also in views without the mark."""
    topology, _ = build_scenario(scrape_agent("edge1") + register("edge1", up=False, age_seconds=7200))
    (node,) = topology.nodes.values()
    assert (node.is_reporting, node.is_silent, node.last_seen_seconds) == (False, False, AT_SECONDS)
    assert topology.drop_absent_nodes() is topology


def test_a_registration_at_two_scrape_servers() -> None:
    """A host reports if it reports to one of them; the last report is the newest one."""
    second = register("edge1", up=True, age_seconds=10).replace("scrape:5000", "scrape2:5000")
    topology, _ = build_scenario(register("edge1", up=False, age_seconds=600) + second)
    (node,) = topology.nodes.values()
    assert (node.is_reporting, node.last_seen_seconds) == (True, AT_SECONDS - 10)


def test_hosts_of_one_name_in_two_clusters() -> None:
    """A registration belongs to the host in its own cluster."""
    topology, _ = build_scenario(
        scrape_agent("edge1") + scrape_agent("edge1", "lab") + register("edge1", up=True, cluster="lab")
    )
    assert {node.cluster: node.is_reporting for node in topology.nodes.values()} == {"edge": None, "lab": True}


def test_a_registered_host_that_a_kubernetes_cluster_does_not_know() -> None:
    """In a cluster with Kubernetes, a registered node is a node of its own."""
    kubernetes = read_scenario("shapes/01-kps-recent")
    before, _ = build_scenario(kubernetes)
    (cluster,) = before.clusters
    topology, stats = build_scenario(kubernetes + register("edge1", up=True, cluster=cluster))
    assert set(topology.nodes) - set(before.nodes) == {(cluster, "edge1")}
    assert not list_build_gaps(stats)
