"""Relabeling: which cluster, host and pod a series without ICOS labels is about."""

import random

import pytest

from aggregator.models.builder.relabel import NamedCluster, identify_cluster, split_instance
from aggregator.models.catalog.default_catalog import TelemetryFamily, compose_default_catalog
from aggregator.refresh.snapshot import list_build_gaps
from tests.support.scenarios import build_scenario, read_scenario


@pytest.mark.parametrize(
    ("labels", "scope", "cluster"),
    [
        ({"cluster": "rome", "cluster_id": "c-1"}, (), NamedCluster("rome", "rome")),
        ({"cluster": "", "cluster_name": "rome", "cluster_id": "c-1"}, (), NamedCluster("c-1", "rome")),
        ({"cluster": "prod"}, ("p1", "eu-1"), NamedCluster("p1/eu-1/prod", "prod")),
        (
            {"clusterArn": "arn:aws:eks:eu-1:1:cluster/prod"},
            (),
            NamedCluster("arn:aws:eks:eu-1:1:cluster/prod", "prod"),
        ),
        ({"cluster": ""}, ("p1", "eu-1"), NamedCluster("", "")),
    ],
)
def test_the_cluster_that_labels_name(labels: dict[str, str], scope: tuple[str, ...], cluster: NamedCluster) -> None:
    """The first label with a value names the cluster; cloud providers and Rancher tell more about its identity."""
    assert identify_cluster(labels, *scope) == cluster


@pytest.mark.parametrize(
    ("instance", "host"),
    [
        ("10.0.0.11:9100", "10.0.0.11"),
        ("node-1", "node-1"),
        ("node-1:metrics/cadvisor", "node-1"),
        ("[fe80::1]:9100", "fe80::1"),
        ("fe80::1", "fe80::1"),
        ("http://node-1:9100/metrics", "node-1"),
        ("", ""),
    ],
)
def test_the_host_of_an_instance(instance: str, host: str) -> None:
    """Port, scheme and path are no part of the host."""
    assert split_instance(instance) == host


def test_a_label_of_the_settings_names_the_cluster() -> None:
    """With CLUSTER_LABELS=datacenter, another label `cluster`, such as that of a database, is ignored."""
    series = 'node_uname_info{cluster="elastic",datacenter="rome",instance="a:9100",nodename="a"} 1\n'
    topology, _ = build_scenario(series, cluster_labels=("datacenter",))
    assert list(topology.nodes) == [("rome", "a")]


def test_a_family_that_is_not_selected_is_not_queried() -> None:
    """Without ICOS and Docker, the queries are those of hosts and of Kubernetes."""
    rows = compose_default_catalog(families=(TelemetryFamily.KUBERNETES,))
    names = {row.name for row in rows}
    assert {"kubernetes_nodes", "hosts", "memory_total", "gpu_memory", "oldest_sample"} <= names
    assert not {"orchestrators", "sca_score", "docker_containers"} & names


def test_a_host_that_no_label_leads_to_is_reported() -> None:
    """In a cluster with Kubernetes, an exporter of another host does not become a node; its samples are counted."""
    stranger = 'node_memory_MemTotal_bytes{job="node-exporter",instance="192.0.2.9:9100"} 1\n'
    topology, stats = build_scenario(read_scenario("shapes/01-kps-recent") + stranger)
    assert len(topology.nodes) == 2
    gaps = [gap for gap in list_build_gaps(stats) if "no Kubernetes node" in gap.detail]
    assert {gap.subject for gap in gaps} == {"hosts", "memory_total"}


def test_one_target_for_all_hosts_is_reported() -> None:
    """If one scrape target is the service of all exporters, no label tells the hosts apart, so none gets the values."""
    series = (
        "".join(
            f'node_uname_info{{job="node",instance="exporters:9100",nodename="n{number}"}} 1\n'
            f'kube_node_info{{job="ksm",instance="ksm:8080",node="n{number}",internal_ip="10.0.0.{number}"}} 1\n'
            for number in range(2)
        )
        + 'node_memory_MemTotal_bytes{job="node",instance="exporters:9100"} 5\n'
    )
    topology, stats = build_scenario(series)
    assert [(node.name, node.memory_bytes) for node in topology.nodes.values()] == [("n0", None), ("n1", None)]
    assert ("memory_total", "several hosts share the labels job and instance") in stats.unplaced


@pytest.mark.parametrize("seed", range(12))
def test_random_fleets_are_placed(seed: int) -> None:
    """Clusters with equal names of nodes and pods, with and without honor_labels, keep their own objects and values."""
    generator = random.Random(seed)  # noqa: S311 - a fleet, not a secret
    clusters = {f"c{number}": generator.random() < 0.5 for number in range(generator.randint(1, 3))}
    lines: list[str] = []
    expected: dict[tuple[str, str, str], tuple[str, int]] = {}
    memory: dict[tuple[str, str], int] = {}
    for cluster, honors_labels in clusters.items():
        target = f'cluster="{cluster}",job="ksm",instance="10.1.0.9:8080"'
        for number in range(generator.randint(1, 3)):
            address = f"10.0.0.{number}"
            own = f'node="n{number}"' if honors_labels else f'exported_node="n{number}",node="n0"'
            lines.append(f'kube_node_info{{{target},{own},internal_ip="{address}"}} 1')
            memory[cluster, f"n{number}"] = generator.randint(1, 10**9)
            exporter = f'cluster="{cluster}",job="ne",instance="{address}:9100",nodename="x{number}"'
            lines.append(f"node_uname_info{{{exporter}}} 1")
            labels = exporter.partition(",nodename")[0]
            lines.append(f"node_memory_MemTotal_bytes{{{labels}}} {memory[cluster, f'n{number}']}")
            for pod in range(generator.randint(0, 2)):
                uid = f"{cluster}-{number}-{pod}"
                name = f"web-{number}-{pod}"
                own = (
                    f'namespace="shop",pod="{name}"'
                    if honors_labels
                    else f'exported_namespace="shop",exported_pod="{name}",namespace="monitoring",pod="ksm-0"'
                )
                node = f'node="n{number}"' if honors_labels else f'exported_node="n{number}",node="n0"'
                lines.append(f'kube_pod_info{{{target},{own},{node},uid="{uid}"}} 1')
                lines.append(f'kube_pod_status_phase{{{target},{own},uid="{uid}",phase="Running"}} 1')
                expected[cluster, "shop", name] = (f"n{number}", 1)
    generator.shuffle(lines)
    topology, stats = build_scenario("\n".join(lines) + "\n")
    assert {key: node.memory_bytes for key, node in topology.nodes.items()} == memory
    assert {
        (pod.cluster, pod.namespace, pod.name): (pod.node, int(pod.phase == "Running"))
        for pod in topology.pods.values()
    } == expected
    assert not list_build_gaps(stats)
