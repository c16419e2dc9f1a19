"""The topology as a tree: clusters, their nodes, the pods of each, and their containers."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain

from aggregator.models.topology import Container, Node, Pod, Topology
from aggregator.show import words
from aggregator.show.paper import Colour, Paper, Word, cut, padded, printable, width_of

CLUSTERS, NODES, PODS, CONTAINERS = 1, 2, 3, 4
NO_NODE = "(on no node)"
_WIDEST_NAME = 40


@dataclass(frozen=True)
class _Branch:
    """A line of the tree and what hangs on it."""

    name: str
    said: Iterable[words.Said]
    colour: Colour = Colour.PLAIN
    below: "Sequence[_Branch]" = ()


def drawn(topology: Topology, paper: Paper, depth: int) -> Iterator[str]:
    """Yield the lines of the tree down to a depth, cluster by cluster."""
    nodes, pods = topology.nodes_by_cluster(), topology.pods_by_cluster()
    for key, cluster in topology.clusters.items():
        said = words.of_cluster(cluster, len(nodes[key]), len(pods[key]))
        below = _nodes(nodes[key], pods[key], depth) if depth >= NODES else []
        yield paper.line([Word(key, Colour.STRONG)], said)
        yield from _hanging(below, paper, "")


def _nodes(nodes: Iterable[Node], pods: Iterable[Pod], depth: int) -> list[_Branch]:
    on: dict[str | None, list[Pod]] = {}
    for pod in pods:
        on.setdefault(pod.node, []).append(pod)
    hung = partial(_pods, depth=depth) if depth >= PODS else _nothing
    branches = [_Branch(node.key, words.of_node(node), Colour.CYAN, hung(on.pop(node.key, []))) for node in nodes]
    # Where a pod names a node that is not there, it is nowhere, too.
    astray = list(chain.from_iterable(on.values()))
    if astray and depth >= PODS:
        branches.append(_Branch(NO_NODE, (), Colour.FAINT, hung(astray)))
    return branches


def _nothing(_pods: Sequence[Pod]) -> list[_Branch]:
    return []


def _pods(pods: Sequence[Pod], depth: int) -> list[_Branch]:
    return [
        _Branch(
            f"{pod.namespace}/{pod.name}" if pod.namespace else pod.name,
            words.of_pod(pod),
            below=_containers(pod.containers.values()) if depth >= CONTAINERS else (),
        )
        for pod in pods
    ]


def _containers(containers: Iterable[Container]) -> list[_Branch]:
    return [_Branch(each.name, words.of_container(each), Colour.FAINT) for each in containers]


def _hanging(branches: Sequence[_Branch], paper: Paper, before: str) -> Iterator[str]:
    """Yield the lines of branches that hang side by side, their names as wide as the widest."""
    names = min(max((width_of(printable(branch.name)) for branch in branches), default=0), _WIDEST_NAME)
    for branch in branches:
        is_last = branch is branches[-1]
        name = padded(cut(printable(branch.name), names) if paper.width is not None else branch.name, names)
        stem = Word(before + ("└─ " if is_last else "├─ "), Colour.FAINT)
        yield paper.line([stem, Word(name, branch.colour)], branch.said)
        yield from _hanging(branch.below, paper, before + ("   " if is_last else "│  "))
