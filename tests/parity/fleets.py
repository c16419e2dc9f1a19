"""Random fleets: one to four clusters of every kind, each fleet the same for the same seed and number."""

import random

from tests.parity.hosts import Host, draw_host
from tests.parity.scene import Scene
from tests.parity.telemetry import Series, Telemetry, series
from tests.parity.workloads import draw_pods

# The last one is a site's own orchestrator, which neither service knows.
KINDS = (*("ocm",) * 6, *("ocm unnamed", "nuvla docker", "nuvla kubernetes") * 2, "self", "swarm")
WILDNESSES = (0.01, 0.03, 0.06, 0.15, 0.35)


def fleet(seed: int, number: int) -> Telemetry:
    """Return the telemetry of fleet `number`; every fifth is tame: nothing missing, nothing odd, nothing twice."""
    rng = random.Random(f"{seed}/{number}")  # noqa: S311 - an invented fleet needs no secrecy, it needs to come again
    scene = Scene(rng, 0.0 if number % 5 == 0 else rng.choice(WILDNESSES))
    scene.is_doubled = scene.is_odd()
    for target in range(rng.randint(1, 3)):
        scene.found.append(_up(target, "0" if scene.chance(0.2) else "1"))
    names: list[str] = []
    for _ in range(rng.randint(1, 4)):
        names.append(rng.choice(names) if names and scene.is_odd(0.5) else _new(scene, names))
        _draw_cluster(scene, rng.choice(KINDS), names[-1])
    if scene.is_odd():
        _draw_strangers(scene)
    return scene.telemetry()


def _up(target: int, value: str) -> Series:
    return series("up", {"job": "fleet", "instance": f"10.0.0.{target}:9100"}, value)


def _new(scene: Scene, names: list[str]) -> str:
    name = scene.name("edge")
    return name if name not in names or scene.wildness else f"{name}-{len(names)}"


def _draw_cluster(scene: Scene, kind: str, name: str) -> None:
    """Draw one cluster: its orchestrator, its hosts, its pods."""
    uid = _uid(scene, kind)
    agent = "self" if kind == "self" else f"agent-{scene.identifier(8)}"
    common = {"icos_agent_id": agent, "icos_controller_id": "staging-a", "k8s_cluster_uid": uid}
    has_plain_labels = scene.chance(0.25)
    hosts: list[Host] = []
    for _ in range(1 if kind == "nuvla docker" else scene.rng.randint(0 if scene.is_odd() else 1, 6)):
        site = name if has_plain_labels else ""
        hosts.append(_host(scene, hosts, common, site))
        draw_host(scene, hosts[-1], kind)
    _draw_orchestrator(scene, kind, name, common, hosts)
    if kind != "nuvla docker":
        draw_pods(scene, common, hosts)


def _uid(scene: Scene, kind: str) -> str:
    if kind in ("self", "nuvla docker"):
        return "self" if kind == "self" else ""
    digits = scene.identifier()
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def _host(scene: Scene, others: list[Host], common: dict[str, str], site: str) -> Host:
    name = scene.name("node")
    while any(other.name == name for other in others) and not scene.is_odd(0.3):
        name += "x"
    spoken = name
    if others and scene.is_odd(0.3):
        name = scene.rng.choice(others).name
    machine = scene.identifier()
    uid = common["k8s_cluster_uid"]
    address = f"10.{scene.rng.randint(0, 9)}.0.{scene.rng.randint(1, 250)}"
    labels = {
        **common,
        "icos_host_id": machine + ("\n" if scene.is_odd(0.1) else ""),
        "icos_host_name": f"{(uid or machine)[:8]}:{spoken}",
        "net_host_name": address if uid else "172.17.0.1",
        "k8s_node_name": name if uid else "",
        "instance": f"{address}:9100",
        **({"cluster": site, "node": name} if site else {}),
    }
    return Host(name, address, labels)


def _draw_orchestrator(scene: Scene, kind: str, name: str, common: dict[str, str], hosts: list[Host]) -> None:
    agent = common["icos_agent_id"]
    labels = {**common, "agent_id": agent, "type": kind.split(" ", maxsplit=1)[0], "agent_name": name}
    if kind.startswith("nuvla"):
        prefix = scene.rng.choice(("nuvlabox", "infrastructure-service"))
        labels["agent_name"] = name if scene.is_odd() else f"{prefix}/{scene.identifier()}"
        labels["icos_host_name"] = hosts[0].labels["icos_host_name"] if hosts else ""
    if kind == "self":
        labels["type"] = "ocm"
    if kind != "self" or scene.chance(0.5):
        scene.add("tlum_orch_info", labels)
    if kind == "ocm":
        scene.add("tlum_ocm_agent_info", {**common, "id": agent, "name": name})
        if scene.is_odd(0.3):
            scene.add("tlum_ocm_agent_info", {**common, "id": agent, "name": scene.name("edge")})


def _draw_strangers(scene: Scene) -> None:
    """Draw a host and a pod of a cluster that no orchestrator speaks for."""
    common = {"icos_agent_id": "stranger", "k8s_cluster_uid": scene.rng.choice(("unknown", "", "self"))}
    stranger = _host(scene, [], common, "")
    draw_host(scene, stranger, "stranger")
    draw_pods(scene, common, [stranger])
