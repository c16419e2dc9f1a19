"""Stock installations of Prometheus give the right topology without a setting and without relabelling."""

from typing import Any

import pytest

from aggregator.models.topology import Pod, Topology
from aggregator.refresh.snapshot import list_build_gaps
from tests.support.scenarios import (
    SCENARIO_DIR,
    build_from_row_samples,
    build_scenario,
    collect_samples,
    read_expected,
    read_scenario,
    shuffle_samples,
)

SHAPES = sorted(path.stem for path in (SCENARIO_DIR / "shapes").glob("*.prom"))
SCENARIOS = [
    *(f"shapes/{name}" for name in SHAPES),
    *sorted(f"field/{p.stem}" for p in (SCENARIO_DIR / "field").glob("*.prom")),
]
UNNAMED = "default"


def describe_topology(topology: Topology, expected: dict[str, Any]) -> dict[str, Any]:
    """Return what `expected` says about the topology, as the topology has it."""
    clusters: dict[str, Any] = {}
    for key, cluster in expected["clusters"].items():
        cluster_key = UNNAMED if key == "*" else key
        nodes = {node.key: node for (owner, _), node in topology.nodes.items() if owner == cluster_key}
        names = {_find_node(name, nodes): name for name in cluster["nodes"]}
        pods = [pod for (owner, _), pod in topology.pods.items() if owner == cluster_key]
        clusters[key] = {
            "nodes": {
                names.get(key, key): {field: getattr(node, field) for field in cluster["nodes"].get(names.get(key), {})}
                for key, node in nodes.items()
            },
            "pods": {
                name: _describe_pod(pod, names, cluster["pods"].get(name, {}))
                for pod in pods
                for name in [_name_pod(pod, list(cluster["nodes"]), names)]
            },
        }
    return {"clusters": clusters}


def _find_node(name: str, nodes: dict[str, Any]) -> str:
    """Return the key of the node with one of the names in `a|b`."""
    return next((key for key in nodes if key in name.split("|")), name)


def _name_pod(pod: Pod, node_names: list[str], names: dict[str, str]) -> str:
    """Return namespace and name; a container on a Docker host has the position of its node as namespace."""
    position = node_names.index(names[pod.node]) if pod.node in names else ""
    return f"{pod.namespace or f'@{position}'}/{pod.name}"


def _describe_pod(pod: Pod, names: dict[str, str], expected: dict[str, Any]) -> dict[str, Any]:
    values: dict[str, Any] = {
        "node": names.get(pod.node or "", pod.node),
        "phase": pod.phase,
        "containers": {
            name: {field: getattr(container, field) for field in expected.get("containers", {}).get(name, {})}
            for name, container in pod.containers.items()
        },
    }
    return {key: value for key, value in values.items() if key in expected or value}


@pytest.mark.parametrize("shape", SHAPES)
def test_a_stock_installation_gives_the_right_topology(shape: str) -> None:
    """Clusters, nodes, pods and containers are those that exist, each once and with its values."""
    expected = read_expected(f"shapes/{shape}")
    topology, _ = build_scenario(read_scenario(f"shapes/{shape}"))
    assert describe_topology(topology, expected) == expected
    assert topology.clusters.keys() == {UNNAMED if key == "*" else key for key in expected["clusters"]}


@pytest.mark.parametrize("shape", SHAPES)
def test_a_stock_installation_is_complete(shape: str) -> None:
    """No sample remains without an object, and no sample contradicts another one."""
    _, stats = build_scenario(read_scenario(f"shapes/{shape}"))
    assert not list_build_gaps(stats), stats


@pytest.mark.parametrize("seed", [-1, 1, 2, 3])
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_the_order_of_the_samples_does_not_matter(scenario: str, seed: int) -> None:
    """The version, a digest of the content, is the same for reversed and shuffled responses."""
    samples = collect_samples(read_scenario(scenario))
    shuffled, _ = build_from_row_samples(shuffle_samples(samples, seed))
    assert shuffled == build_from_row_samples(samples)[0]
