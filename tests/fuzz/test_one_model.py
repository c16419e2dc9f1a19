"""One model: what HTTP tells of a fleet is what gRPC tells, whole, in parts, by name and in lists."""

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import Any

import pytest

from aggregator.lookup import items
from aggregator.lookup.items import Form, Kind
from aggregator.lookup.language import Operator, Requirement
from aggregator.models.topology import Topology
from aggregator.pb.aggregator.v1 import topology_pb2 as pb
from aggregator.views import v1_chunks
from demo.answers import whole as scenes
from demo.fleet import PRESENT_SECONDS, Fleet
from tests import cases
from tests.fuzz.answered import AT_SECONDS, Told, topology_of
from tests.fuzz.both import Both, asking
from tests.fuzz.effort import SEED, TIMES, dice
from tests.lookup import oracle
from tests.parity.fleets import fleet
from tests.server.serving import serving
from tests.server.source import CommandedSource, snapshot
from tests.views.test_v1_chunks import together

# A few in the default suite, 300 with the four times of `make fuzz`.
RANDOM = {f"seed-{SEED}-fleet-{number}": number for number in range(25 if TIMES == 1 else 75 * TIMES)}
# The fleet of `make run`: as it is, and while the host that comes and goes is away.
DEMO = {"demo": AT_SECONDS, "demo-without-one": AT_SECONDS + PRESENT_SECONDS}
FLEETS = [*cases.NAMES, *(["demo"] if TIMES == 1 else DEMO), *RANDOM]
# So small that a fleet of a few nodes has many parts.
SMALL_BYTES = 2000
MOST_PAGES = 3
# A mask of a list of each kind.
MASKS = {
    Kind.CLUSTERS: ["name", "nodes.devices.name", "pods.containers"],
    Kind.NODES: ["name", "interfaces.addresses", "free_memory_bytes", "labels"],
    Kind.PODS: ["id", "containers.image", "phase"],
    Kind.CONTAINERS: ["name", "pod", "cpu_usage_cores"],
}
OPERATORS = {
    Form.TEXT: (Operator.EQUAL, Operator.UNEQUAL, Operator.HAS, Operator.IN),
    Form.NUMBER: (Operator.AT_LEAST, Operator.LESS, Operator.EQUAL),
    Form.MOMENT: (Operator.AT_LEAST, Operator.LESS),
    Form.TRUTH: (Operator.EQUAL, Operator.UNEQUAL),
}


@dataclass(frozen=True)
class Shown:
    """A fleet by its name, its topology, and a gateway that shows it."""

    name: str
    topology: Topology
    both: Both

    @property
    def whole(self) -> pb.Topology:
        """The whole model over gRPC, and over HTTP the same."""
        found: pb.Topology = self.both.answer("topology", "GetTopology", pb.GetTopologyRequest())
        return found


def topology(name: str) -> Topology:
    """Return the topology of a fleet."""
    if name in DEMO:
        (scene,) = scenes(Fleet.of(since_seconds=AT_SECONDS - 1), DEMO[name])
        return topology_of(scene)
    if name in cases.NAMES:
        return cases.topology(name)
    return topology_of(Told(fleet(SEED, RANDOM[name])))


@pytest.fixture(scope="module")
def _gateway() -> Iterator[tuple[CommandedSource, Both]]:
    source = CommandedSource()
    with serving(source, None) as ports, asking(ports) as both:
        yield source, both


@pytest.fixture(scope="module", params=FLEETS)
def shown(request: pytest.FixtureRequest, _gateway: tuple[CommandedSource, Both]) -> Shown:
    """One fleet after the other, shown over HTTP and gRPC."""
    source, both = _gateway
    of_fleet = topology(request.param)
    source.shown = snapshot(topology=of_fleet)
    return Shown(request.param, of_fleet, both)


def test_the_whole(shown: Shown) -> None:
    """The JSON of the whole is the mapping of the message, which its parts make again, and no id is there twice."""
    whole = shown.whole
    assert whole.version == shown.topology.version
    assert (len(whole.clusters), sum(len(each.nodes) for each in whole.clusters)) == (
        len(shown.topology.clusters),
        len(shown.topology.nodes),
    )
    nodes = [node.id for cluster in whole.clusters for node in cluster.nodes]
    pods = [pod.id for cluster in whole.clusters for pod in cluster.pods]
    assert (len({*nodes}), len({*pods})) == (len(nodes), len(pods))
    assert together(shown.both.parts()) == whole
    small = [pb.Topology.FromString(part) for part in v1_chunks.parts(shown.topology, SMALL_BYTES)]
    assert together(small) == whole


def test_each_by_name(shown: Shown) -> None:
    """Each cluster, node and pod of the whole is found by its names, and over HTTP and gRPC the same."""
    for cluster in shown.whole.clusters:
        assert shown.both.named(cluster.name) == cluster
        for node in cluster.nodes:
            assert shown.both.named(cluster.name, node.name) == node
        names = [(pod.namespace, pod.name) for pod in cluster.pods]
        for pod, name in zip(cluster.pods, names, strict=True):
            found = shown.both.named(cluster.name, *name)
            assert found == pod if names.count(name) == 1 else (found.namespace, found.name) == name


@pytest.mark.parametrize("kind", Kind, ids=lambda kind: kind.value)
def test_lists(shown: Shown, kind: Kind) -> None:
    """Lists have what a naive reading of the whole finds, masked and page by page, and over HTTP and gRPC the same."""
    known = oracle.objects(kind, shown.whole)
    asked = requirement(kind, known, dice(f"{shown.name} {kind.value}")) if known else None
    expected = [
        each["id"]
        for each in known
        if asked is None or oracle.holds(each, asked.key, asked.operator.value, list(asked.values))
    ]
    text = str(asked or "")
    found, token = [], ""
    for _ in range(1 + len(known)):
        page = shown.both.listed(kind.value, filter=text, limit=-(-len(known) // MOST_PAGES), continue_token=token)
        assert page.total_count == len(expected)
        found += [each.id for each in getattr(page, kind.value)]
        token = page.continue_token
        if not token:
            break
    assert found == expected
    masked = shown.both.listed(kind.value, filter=text, fields=MASKS[kind])
    assert len(getattr(masked, kind.value)) == len(expected)


def requirement(kind: Kind, known: list[Any], rng: Random) -> Requirement:
    """Return a requirement on a field of which something is known, with the value that an object has."""
    told = rng.choice(known)
    fields = {name: items.field(kind, name) for name in told}
    forms = {
        name: field.form for name, field in fields.items() if field and field.form in OPERATORS and not field.is_many
    }
    key = rng.choice(sorted(forms))
    value = told[key]
    text = str(value).lower() if forms[key] is Form.TRUTH else str(value)
    return Requirement(key, rng.choice(OPERATORS[forms[key]]), (text,))
