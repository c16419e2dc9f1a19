"""Random fleets: one to four clusters of every kind, each fleet the same for the same seed and number."""

import random

from tests.parity.fleet_generator import FleetGenerator
from tests.parity.fleet_telemetry import FleetSeries, FleetTelemetry, build_series
from tests.parity.host_series import GeneratedHost, draw_host
from tests.parity.pod_series import draw_pods

# The last one is a site's own orchestrator, which neither service knows.
CLUSTER_KINDS = (*("ocm",) * 6, *("ocm unnamed", "nuvla docker", "nuvla kubernetes") * 2, "self", "swarm")
ODDITY_RATES = (0.01, 0.03, 0.06, 0.15, 0.35)


def generate_fleet(seed: int, number: int) -> FleetTelemetry:
    """Return the telemetry of fleet `number`; every fifth is tame: nothing missing, nothing odd, nothing twice."""
    rng = random.Random(f"{seed}/{number}")  # noqa: S311 - an invented fleet needs no secrecy, it needs to come again
    generator = FleetGenerator(rng, 0.0 if number % 5 == 0 else rng.choice(ODDITY_RATES))
    generator.has_replicas = generator.is_odd()
    for target in range(rng.randint(1, 3)):
        generator.generated_series.append(_build_up_series(target, "0" if generator.happens(0.2) else "1"))
    names: list[str] = []
    for _ in range(rng.randint(1, 4)):
        names.append(rng.choice(names) if names and generator.is_odd(0.5) else _pick_new_name(generator, names))
        _draw_cluster(generator, rng.choice(CLUSTER_KINDS), names[-1])
    if generator.is_odd():
        _draw_unknown_cluster(generator)
    return generator.finish_telemetry()


def _build_up_series(target: int, value: str) -> FleetSeries:
    return build_series("up", {"job": "fleet", "instance": f"10.0.0.{target}:9100"}, value)


def _pick_new_name(generator: FleetGenerator, names: list[str]) -> str:
    name = generator.generate_name("edge")
    return name if name not in names or generator.oddity_rate else f"{name}-{len(names)}"


def _draw_cluster(generator: FleetGenerator, kind: str, name: str) -> None:
    """Draw one cluster: its orchestrator, its hosts, its pods."""
    uid = _generate_uid(generator, kind)
    agent = "self" if kind == "self" else f"agent-{generator.generate_identifier(8)}"
    common = {"icos_agent_id": agent, "icos_controller_id": "staging-a", "k8s_cluster_uid": uid}
    has_plain_labels = generator.happens(0.25)
    hosts: list[GeneratedHost] = []
    for _ in range(1 if kind == "nuvla docker" else generator.rng.randint(0 if generator.is_odd() else 1, 6)):
        site = name if has_plain_labels else ""
        hosts.append(_generate_host(generator, hosts, common, site))
        if kind.startswith("nuvla") and generator.happens(0.4):
            # Older set-ups have no prefix: the host name is the node's name.
            hosts[-1].labels["icos_host_name"] = hosts[-1].name
        draw_host(generator, hosts[-1], kind)
    _draw_orchestrator(generator, kind, name, common, hosts)
    if kind != "nuvla docker":
        draw_pods(generator, common, hosts)


def _generate_uid(generator: FleetGenerator, kind: str) -> str:
    if kind in ("self", "nuvla docker"):
        return "self" if kind == "self" else ""
    digits = generator.generate_identifier()
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def _generate_host(
    generator: FleetGenerator, others: list[GeneratedHost], common: dict[str, str], site: str
) -> GeneratedHost:
    name = generator.generate_name("node")
    while any(other.name == name for other in others) and not generator.is_odd(0.3):
        name += "x"
    label_name = name
    if others and generator.is_odd(0.3):
        name = generator.rng.choice(others).name
    machine = generator.generate_identifier()
    uid = common["k8s_cluster_uid"]
    address = f"10.{generator.rng.randint(0, 9)}.0.{generator.rng.randint(1, 250)}"
    labels = {
        **common,
        "icos_host_id": machine + ("\n" if generator.is_odd(0.1) else ""),
        "icos_host_name": f"{(uid or machine)[:8]}:{label_name}",
        "net_host_name": address if uid else "172.17.0.1",
        "k8s_node_name": name if uid else "",
        "instance": f"{address}:9100",
        **({"cluster": site, "node": name} if site else {}),
    }
    return GeneratedHost(name, address, labels)


def _draw_orchestrator(
    generator: FleetGenerator, kind: str, name: str, common: dict[str, str], hosts: list[GeneratedHost]
) -> None:
    agent = common["icos_agent_id"]
    labels = {**common, "agent_id": agent, "type": kind.split(" ", maxsplit=1)[0], "agent_name": name}
    if kind.startswith("nuvla"):
        prefix = generator.rng.choice(("nuvlabox", "infrastructure-service"))
        labels["agent_name"] = name if generator.is_odd() else f"{prefix}/{generator.generate_identifier()}"
        labels["icos_host_name"] = hosts[0].labels["icos_host_name"] if hosts else ""
        _draw_more_agents(generator, labels, hosts)
    if kind == "self":
        labels["type"] = "ocm"
    if kind != "self" or generator.happens(0.5):
        generator.add_series("tlum_orch_info", labels)
    if kind == "ocm":
        generator.add_series("tlum_ocm_agent_info", {**common, "id": agent, "name": name})
        if generator.is_odd(0.3):
            generator.add_series(
                "tlum_ocm_agent_info", {**common, "id": agent, "name": generator.generate_name("edge")}
            )


def _draw_more_agents(generator: FleetGenerator, labels: dict[str, str], hosts: list[GeneratedHost]) -> None:
    """Draw agents on the other hosts of a NuvlaEdge, and in wild fleets a second one on a host."""
    for host in hosts:
        is_first = host is hosts[0]
        if generator.is_odd() if is_first else generator.happens(0.3):
            agent = {"agent_id": f"nuvlabox/{generator.generate_identifier(8)}"}
            generator.add_series("tlum_orch_info", {**labels, **agent, "icos_host_name": host.labels["icos_host_name"]})


def _draw_unknown_cluster(generator: FleetGenerator) -> None:
    """Draw a host and a pod of a cluster that no orchestrator speaks for."""
    common = {"icos_agent_id": "stranger", "k8s_cluster_uid": generator.rng.choice(("unknown", "", "self"))}
    unknown_host = _generate_host(generator, [], common, "")
    draw_host(generator, unknown_host, "stranger")
    draw_pods(generator, common, [unknown_host])
