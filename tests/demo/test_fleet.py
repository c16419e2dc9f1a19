"""The simulated fleet over time."""

import functools
import re
import subprocess
from itertools import pairwise

import pytest

from demo.fleet import MIN_NODES, SimulatedFleet, render_exposition
from demo.prometheus import obtain_prometheus

NOON_SECONDS = 1_795_176_000.0  # a multiple of the period in which the wandering node leaves and returns
FLEET = SimulatedFleet.generate(since_seconds=NOON_SECONDS)
# Series that the 21 queries of the Go service read on a fleet of 200 nodes and 3,000 pods, as was measured.
LEGACY_SERIES = 22_475
LEGACY_METRICS = """
    tlum_orch_info tlum_ocm_agent_info node_uname_info SCA_score vulnerabilities node_cpu_frequency_max_hertz
    node_thermal_zone_temp scaph_host_energy_microjoules_total node_memory_MemFree_bytes node_network_info
    node_network_up node_network_address_info node_network_speed_bytes node_mounted kube_pod_info
    kube_pod_container_info container_cpu_utilization_ratio
"""


@functools.cache
def parse_samples(after_seconds: float) -> dict[str, float]:
    """Return the exposed values by series, `after_seconds` after noon."""
    lines = render_exposition(FLEET, NOON_SECONDS + after_seconds).splitlines()
    pairs = (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
    return {series: float(value) for series, value in pairs}


def get_label(series: str, name: str) -> str:
    """Return the value of one label of a series."""
    return re.split(rf'[{{,]{name}="', series)[1].split('"')[0]


def group_values(after_seconds: float, metric: str, by: str) -> dict[str, float]:
    """Return the values of one metric by one of its labels."""
    samples = parse_samples(after_seconds).items()
    return {get_label(series, by): value for series, value in samples if series.startswith(metric + "{")}


def test_same_seed_and_time_give_the_same_text() -> None:
    """Two fleets of one seed expose the same text at the same time."""
    assert render_exposition(SimulatedFleet.generate(seed=7), NOON_SECONDS) == render_exposition(
        SimulatedFleet.generate(seed=7), NOON_SECONDS
    )


def test_another_seed_gives_another_fleet() -> None:
    """Fleets with different seeds have no machine ID in common."""
    ids = [{host.machine_id for host in SimulatedFleet.generate(seed=seed).hosts} for seed in (1, 2)]
    assert not ids[0] & ids[1]


def test_promtool_parses_the_exposition() -> None:
    """The linter promtool reports style problems (exit status 3) but no format errors (1)."""
    text = render_exposition(FLEET, NOON_SECONDS)
    command = [str(obtain_prometheus().promtool), "check", "metrics"]
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    assert done.returncode in (0, 3), done.stderr[:500]


def test_no_series_is_duplicated() -> None:
    """Every series is exposed once."""
    lines = [line for line in render_exposition(FLEET, NOON_SECONDS).splitlines() if not line.startswith("#")]
    assert len(lines) == len(parse_samples(0))


@pytest.mark.parametrize(("nodes", "pods", "containers"), [(10, 1, 1), (30, 8, 2), (41, 15, 3)])
def test_a_fleet_has_the_requested_size(nodes: int, pods: int, containers: int) -> None:
    """A fleet has the requested numbers of nodes, pods and containers."""
    text = render_exposition(SimulatedFleet.generate(nodes, pods, containers), NOON_SECONDS)
    counts = [text.count(f"\n{name}{{") for name in ("node_uname_info", "kube_pod_info", "kube_pod_container_info")]
    assert counts == [nodes, nodes * pods, nodes * pods * containers]


def test_the_fleet_is_as_large_as_a_measured_fleet() -> None:
    """At 200 nodes, the legacy queries read as many series as on the measured fleet, within two percent."""
    text = render_exposition(SimulatedFleet.generate(200, 15, 2), NOON_SECONDS)
    series_count = sum(text.count(f"\n{metric}{{") for metric in LEGACY_METRICS.split())
    series_count += 3_000  # of the phases of a pod, one is read
    series_count += 2 * text.count('resource="cpu"')
    assert series_count == pytest.approx(LEGACY_SERIES, rel=0.02)


@pytest.mark.parametrize(("nodes", "pods"), [(9, 8), (30, 201)])
def test_impossible_sizes_are_rejected(nodes: int, pods: int) -> None:
    """Too few nodes for five clusters, or more pods than a node has addresses, is an error."""
    with pytest.raises(ValueError, match="a fleet has"):
        SimulatedFleet.generate(nodes, pods)


def test_counters_never_decrease() -> None:
    """Counters never decrease."""
    expositions = [parse_samples(after) for after in (0, 1, 30, 300, 5_040)]
    counters = [key for key in expositions[0] if key.split("{")[0].endswith(("_total", "_CONSUMPTION"))]
    assert len(counters) > 500
    for key in counters:
        values = [exposition[key] for exposition in expositions]
        assert values == sorted(values), key


def test_idle_time_is_plausible() -> None:
    """In one minute, the idle time of a CPU grows by at most one minute and does not decrease."""
    before, after = parse_samples(0), parse_samples(60)
    idle = [key for key in before if key.startswith("node_cpu_seconds_total") and 'mode="idle"' in key]
    assert all(0 <= after[key] - before[key] <= 60.02 for key in idle)


@pytest.mark.parametrize(
    "metric", ["node_memory_MemFree_bytes", "node_thermal_zone_temp", "node_cpu_scaling_frequency_hertz"]
)
def test_values_change(metric: str) -> None:
    """Half a minute later most hosts have another value."""
    before, after = group_values(0, metric, "icos_host_id"), group_values(30, metric, "icos_host_id")
    assert sum(before[host] != after[host] for host in before) > len(before) / 2


def test_the_security_of_hosts_changes_once_a_day() -> None:
    """Within an hour the security of some hosts is assessed, and within a day that of all: it is not a measurement."""
    scores = [group_values(3600 * hours, "SCA_score", "agent_hostname") for hours in range(25)]
    changed = [{host for host in before if before[host] != after[host]} for before, after in pairwise(scores)]
    assert all(len(hosts) < len(scores[0]) / 4 for hosts in changed)
    assert sorted(host for hosts in changed for host in hosts) == sorted(scores[0])


def test_one_node_disappears_and_returns() -> None:
    """One node and all its series are absent from the 80th to the 120th second of two minutes."""
    present, absent, returned = (set(group_values(after, "node_uname_info", "nodename")) for after in (79, 80, 120))
    assert present == returned
    assert present - absent == {FLEET.intermittent_host.name}
    assert not [
        key
        for key in parse_samples(80)
        if f'"{FLEET.intermittent_host.name}"' in key or FLEET.intermittent_host.icos_name in key
    ]


@pytest.mark.parametrize("nodes", [*range(MIN_NODES, 24), 30, 200])
def test_all_clusters_remain_while_a_node_is_absent(nodes: int) -> None:
    """All five clusters are reported while the node is absent, even in the smallest fleet."""
    fleet = SimulatedFleet.generate(nodes, 0)
    present = fleet.list_hosts(NOON_SECONDS + 80)
    assert len(present) == nodes - 1
    assert len({host.cluster for host in present if host.cluster_index == 0}) == 5


@pytest.mark.parametrize("after_seconds", [10, 40, 130, 160])
def test_pods_are_replaced(after_seconds: float) -> None:
    """After half a minute, a few pods are replaced by the same number of new pods."""
    before, after = (set(group_values(at, "kube_pod_info", "uid")) for at in (after_seconds, after_seconds + 30))
    assert 1 <= len(before - after) <= 5
    assert len(before - after) == len(after - before)


def test_a_new_pod_is_pending() -> None:
    """A new pod is pending without an address, and runs within seconds."""
    pending = [{uid for uid, ip in _list_addresses(after).items() if not ip} for after in (61, 65)]
    assert len(pending[0]) > len(pending[1]) > 0


def test_pod_phases() -> None:
    """Two pods are pending, one failed and one succeeded; all others are running."""
    phases = [
        get_label(key, "phase")
        for key, value in parse_samples(10).items()
        if key.startswith("kube_pod_status_phase") and value
    ]
    assert len(phases) == FLEET.pod_count
    assert {phase: phases.count(phase) for phase in set(phases) - {"Running"}} == {
        "Pending": 2,
        "Failed": 1,
        "Succeeded": 1,
    }


def test_devices_are_attached_and_detached() -> None:
    """Over some minutes devices are free, in use and detached."""
    assert {
        state for after in (0, 45, 90, 135) for state in group_values(after, "node_mounted", "device").values()
    } == {
        -1,
        0,
        1,
    }


def _list_addresses(after_seconds: float) -> dict[str, str]:
    pod_series = [series for series in parse_samples(after_seconds) if series.startswith("kube_pod_info")]
    return {get_label(series, "uid"): get_label(series, "pod_ip") for series in pod_series}
