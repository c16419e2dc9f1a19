"""Containers on Docker hosts are placed on the hosts that run them."""

import pytest

from aggregator.models.topology import Container
from aggregator.refresh.snapshot import list_build_gaps
from tests.support.scenarios import build_scenario, read_scenario, read_scraped


def test_containers_belong_to_the_host_of_their_agent() -> None:
    """The ID of the agent and the name of the host lead to the host, if no other label of the host is there."""
    topology, stats = build_scenario(read_scenario("exporters/icos-docker-hosts"))
    hosts = {pod.cluster: topology.nodes[pod.cluster, pod.node or ""].host_id for pod in topology.pods.values()}
    assert hosts == {"nuvlabox/1": "e1e1e1e1aa", "nuvlabox/2": "e2e2e2e2bb"}
    assert [(pod.cluster, pod.uid, len(pod.containers)) for pod in topology.pods.values()] == [
        ("nuvlabox/1", "aa01", 1),
        ("nuvlabox/2", "bb01", 1),
    ]
    assert [container for pod in topology.pods.values() for container in pod.containers.values()] == [
        Container("mosquitto", cores, memory_bytes, "eclipse-mosquitto:2", 1_795_208_200.0)
        for cores, memory_bytes in ((0.125, 5_500_000), (0.25, 6_500_000))
    ]
    assert not list_build_gaps(stats)


def test_containers_that_cadvisor_reports() -> None:
    """Cgroups without a name are no containers."""
    topology, stats = build_scenario(read_scraped("cadvisor-0.53-docker", job="cadvisor", instance="docker1:8080"))
    (node,) = topology.nodes.values()
    assert (node.node_label, node.cpu_cores, node.memory_bytes) == ("docker1", 2, 25276502016)
    described = {
        pod.name: (pod.node, pod.uid[:12], container.image, container.memory_bytes)
        for pod in topology.pods.values()
        for container in pod.containers.values()
    }
    assert described == {
        "web": (node.key, "bd60cc4d5719", "local/app:1", 13_864_960),
        "webb": (node.key, "3fdaaf92b9e9", "local/app:1", 13_545_472),
    }
    assert not list_build_gaps(stats)


def test_limits_and_start_of_containers_that_cadvisor_reports() -> None:
    """A container without a CPU quota has no CPU limit; the host has the UUID of its hardware."""
    topology, stats = build_scenario(read_scraped("cadvisor-0.53-docker", job="cadvisor", instance="docker1:8080"))
    described = {
        name: (container.cpu_limit_cores, container.memory_limit_bytes, container.start_seconds)
        for pod in topology.pods.values()
        for name, container in pod.containers.items()
    }
    assert described == {
        "web": (None, 134_217_728, 1_795_220_428),
        "webb": (0.5, 67_108_864, 1_795_220_428),
    }
    assert [node.system_uuid for node in topology.nodes.values()] == ["00000000000040008000000000000001"]
    assert not list_build_gaps(stats)


def test_a_container_without_a_memory_limit() -> None:
    """A limit of 0 bytes, or a negative quota, means that there is none."""
    labels = 'job="cadvisor",instance="docker1:8080",name="web",id="/docker/web",image="web:1"'
    topology, stats = build_scenario(
        f"container_memory_working_set_bytes{{{labels}}} 10\n"
        f"container_spec_memory_limit_bytes{{{labels}}} 0\n"
        f"container_spec_cpu_quota{{{labels}}} -1\n"
        f"container_spec_cpu_period{{{labels}}} 100000\n"
        'machine_memory_bytes{job="cadvisor",instance="docker1:8080"} 1000\n'
    )
    (container,) = (each for pod in topology.pods.values() for each in pod.containers.values())
    assert (container.memory_limit_bytes, container.cpu_limit_cores) == (None, None)
    assert not list_build_gaps(stats)


def test_traffic_of_a_container() -> None:
    """The traffic of all interfaces of a container is that of its pod."""
    target = 'job="cadvisor",instance="docker1:8080"'
    labels = f'{target},name="web",id="/docker/web",image="web:1"'
    topology, _ = build_scenario(
        f"machine_memory_bytes{{{target}}} 1000\n"
        f"container_memory_working_set_bytes{{{labels}}} 10\n"
        f'container_network_receive_bytes_total{{{labels},interface="eth0"}} /15s*100\n'
        f'container_network_receive_bytes_total{{{labels},interface="eth1"}} /15s*20\n'
        f'container_network_transmit_bytes_total{{{labels},interface="eth0"}} /15s*7\n'
    )
    (pod,) = topology.pods.values()
    assert (pod.receive_bytes_per_second, pod.transmit_bytes_per_second) == (120, 7)


def test_docker_statistics_without_icos_labels() -> None:
    """The name of the host in the statistics leads to the host with that name."""
    statistics = 'container_id="aa01",container_name="web",host_name="docker1.example.com",cluster="rome"'
    topology, stats = build_scenario(
        'node_uname_info{job="node",instance="docker1:9100",nodename="docker1.example.com",cluster="rome"} 1\n'
        f"container_cpu_utilization_ratio{{{statistics}}} 50\n"
        f"container_memory_usage_total_bytes{{{statistics}}} 1000\n"
    )
    (pod,), (node,) = topology.pods.values(), topology.nodes.values()
    assert (pod.cluster, pod.node, pod.containers["web"].memory_bytes) == ("rome", node.key, 1000)
    assert not list_build_gaps(stats)


def test_containers_of_old_kubelets_are_no_docker_containers() -> None:
    """Kubelets before Kubernetes 1.16 name pods and containers in other labels."""
    labels = 'name="k8s_web",image="web:1",pod_name="web-0",container_name="web",namespace="shop"'
    topology, stats = build_scenario(
        'kube_node_info{node="w1",internal_ip="10.0.0.1"} 1\n'
        f'container_memory_working_set_bytes{{job="cadvisor",instance="w1",{labels}}} 1000\n'
        f'container_cpu_usage_seconds_total{{job="cadvisor",instance="w1",{labels}}} /15s*1\n'
    )
    assert not topology.pods
    assert not list_build_gaps(stats)


def test_a_workload_is_found_beside_hosts_without_a_cluster() -> None:
    """The ID of its container is enough, although hosts without a label for their cluster have the default one."""
    topology, stats = build_scenario(
        read_scenario("exporters/icos-docker-hosts")
        + read_scenario("shapes/18-docker-hosts")
        + 'tlum_workload_info{id="aa01",icos_app_instance="i",icos_app_name="farm",icos_agent_id="nuvlabox/1"} 1\n'
    )
    assert [workload.app for pod in topology.pods.values() for workload in pod.workloads.values()] == ["farm"]
    assert not list_build_gaps(stats)


def test_the_usage_of_all_cpus_adds_up() -> None:
    """A cAdvisor that exposes the usage of each CPU reports the sum, one that exposes the total the same."""
    labels = 'job="cadvisor",instance="docker1:8080",image="web:1"'
    topology, _ = build_scenario(
        f"machine_memory_bytes{{{labels}}} 1000\n"
        + "".join(
            f'container_memory_working_set_bytes{{{labels},name="{name}",id="/docker/{name}"}} 10\n'
            + "".join(
                f'container_cpu_usage_seconds_total{{{labels},name="{name}",id="/docker/{name}",cpu="{cpu}"}} '
                f"/15s*{rate}\n"
                for cpu, rate in rates.items()
            )
            for name, rates in {"each": {"cpu00": 0.25, "cpu01": 0.5}, "total": {"total": 0.75}}.items()
        )
    )
    usage = [container.cpu_usage_cores for pod in topology.pods.values() for container in pod.containers.values()]
    assert usage == pytest.approx([0.75, 0.75])
