"""The simulated fleet over time: what stays, what moves, what comes and goes."""

import functools
import re
import subprocess

import pytest

from demo.fleet import SMALLEST, Fleet, exposition
from demo.prometheus import obtain

NOON = 1_795_176_000.0  # a multiple of the period in which the wandering node leaves and returns
FLEET = Fleet.of(since_seconds=NOON)
# Series that the 21 queries of the Go service read on a fleet of 200 nodes and 3,000 pods, as was measured.
LEGACY_SERIES = 22_475
LEGACY_METRICS = """
    tlum_orch_info tlum_ocm_agent_info node_uname_info SCA_score vulnerabilities node_cpu_frequency_max_hertz
    node_thermal_zone_temp scaph_host_energy_microjoules_total node_memory_MemFree_bytes node_network_info
    node_network_up node_network_address_info node_network_speed_bytes node_mounted kube_pod_info
    kube_pod_container_info container_cpu_utilization_ratio
"""


@functools.cache
def samples(after_seconds: float) -> dict[str, float]:
    """Return what is exposed some time after noon: value by series, as it is written."""
    lines = exposition(FLEET, NOON + after_seconds).splitlines()
    written = (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
    return {series: float(value) for series, value in written}


def label(series: str, name: str) -> str:
    """Return the value of one label of a series."""
    return re.split(rf'[{{,]{name}="', series)[1].split('"')[0]


def values(after_seconds: float, metric: str, by: str) -> dict[str, float]:
    """Return the values of one metric by one of its labels."""
    shown = samples(after_seconds).items()
    return {label(series, by): value for series, value in shown if series.startswith(metric + "{")}


def test_same_seed_and_time_give_the_same_text() -> None:
    """Two fleets of one seed expose the same text at the same time."""
    assert exposition(Fleet.of(seed=7), NOON) == exposition(Fleet.of(seed=7), NOON)


def test_another_seed_gives_another_fleet() -> None:
    """Fleets of two seeds have no machine in common."""
    ids = [{host.machine_id for host in Fleet.of(seed=seed).hosts} for seed in (1, 2)]
    assert not ids[0] & ids[1]


def test_promtool_can_parse_it() -> None:
    """Promtool finds names to improve (exit status 3) but no error of format (1)."""
    text = exposition(FLEET, NOON)
    command = [str(obtain().promtool), "check", "metrics"]
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    assert done.returncode in (0, 3), done.stderr[:500]


def test_no_series_is_there_twice() -> None:
    """Every series is exposed once."""
    lines = [line for line in exposition(FLEET, NOON).splitlines() if not line.startswith("#")]
    assert len(lines) == len(samples(0))


@pytest.mark.parametrize(("nodes", "pods", "containers"), [(10, 1, 1), (30, 8, 2), (41, 15, 3)])
def test_sizes_are_as_asked(nodes: int, pods: int, containers: int) -> None:
    """A fleet has exactly the nodes, pods and containers of pods that were asked for."""
    text = exposition(Fleet.of(nodes, pods, containers), NOON)
    counted = [text.count(f"\n{name}{{") for name in ("node_uname_info", "kube_pod_info", "kube_pod_container_info")]
    assert counted == [nodes, nodes * pods, nodes * pods * containers]


def test_it_is_as_large_as_what_was_measured() -> None:
    """At 200 nodes the legacy queries read as many series as on the measured fleet, give or take two percent."""
    text = exposition(Fleet.of(200, 15, 2), NOON)
    read = sum(text.count(f"\n{metric}{{") for metric in LEGACY_METRICS.split())
    read += 3_000  # of the phases of a pod, one is read
    read += 2 * text.count('resource="cpu"')
    assert read == pytest.approx(LEGACY_SERIES, rel=0.02)


@pytest.mark.parametrize(("nodes", "pods"), [(9, 8), (30, 201)])
def test_impossible_sizes_are_refused(nodes: int, pods: int) -> None:
    """Too few nodes for five clusters, or more pods than a node has addresses, is an error."""
    with pytest.raises(ValueError, match="a fleet has"):
        Fleet.of(nodes, pods)


def test_counters_never_decrease() -> None:
    """No counter shows less than at any earlier time."""
    moments = [samples(after) for after in (0, 1, 30, 300, 5_040)]
    counters = [key for key in moments[0] if key.split("{")[0].endswith(("_total", "_CONSUMPTION"))]
    assert len(counters) > 500
    for key in counters:
        shown = [moment[key] for moment in moments]
        assert shown == sorted(shown), key


def test_the_share_of_idle_time_is_possible() -> None:
    """Within a minute a CPU is idle for at most a minute, and never less than it was."""
    before, after = samples(0), samples(60)
    idle = [key for key in before if key.startswith("node_cpu_seconds_total") and 'mode="idle"' in key]
    assert all(0 <= after[key] - before[key] <= 60.02 for key in idle)


@pytest.mark.parametrize(
    "metric", ["node_memory_MemFree_bytes", "node_thermal_zone_temp", "node_cpu_scaling_frequency_hertz"]
)
def test_values_move(metric: str) -> None:
    """Half a minute later most hosts show another value."""
    before, after = values(0, metric, "icos_host_id"), values(30, metric, "icos_host_id")
    assert sum(before[host] != after[host] for host in before) > len(before) / 2


def test_a_node_leaves_and_returns() -> None:
    """One node is gone, with all it says, between the 80th and the 120th second of two minutes."""
    there, gone, back = (set(values(after, "node_uname_info", "nodename")) for after in (79, 80, 120))
    assert there == back
    assert there - gone == {FLEET.wanderer.name}
    assert not [key for key in samples(80) if f'"{FLEET.wanderer.name}"' in key or FLEET.wanderer.icos_name in key]


@pytest.mark.parametrize("nodes", [*range(SMALLEST, 24), 30, 200])
def test_no_cluster_leaves_with_a_node(nodes: int) -> None:
    """However small a fleet is, all five of its clusters are told of while the node is away."""
    fleet = Fleet.of(nodes, 0)
    there = fleet.hosts_at(NOON + 80)
    assert len(there) == nodes - 1
    assert len({host.cluster for host in there if host.position == 0}) == 5


@pytest.mark.parametrize("after_seconds", [10, 40, 130, 160])
def test_pods_come_and_go(after_seconds: float) -> None:
    """Half a minute later a few pods have been replaced by as many others."""
    before, after = (set(values(at, "kube_pod_info", "uid")) for at in (after_seconds, after_seconds + 30))
    assert 1 <= len(before - after) <= 5
    assert len(before - after) == len(after - before)


def test_a_new_pod_starts_as_pending() -> None:
    """A replacement is pending, without an address, and runs within seconds."""
    pending = [{uid for uid, ip in _addresses(after).items() if not ip} for after in (61, 65)]
    assert len(pending[0]) > len(pending[1]) > 0


def test_most_pods_run_and_a_few_do_not() -> None:
    """There are two pending pods, a failed and a succeeded one; all others run."""
    phases = [
        label(key, "phase") for key, value in samples(10).items() if key.startswith("kube_pod_status_phase") and value
    ]
    assert len(phases) == FLEET.pod_count
    assert {phase: phases.count(phase) for phase in set(phases) - {"Running"}} == {
        "Pending": 2,
        "Failed": 1,
        "Succeeded": 1,
    }


def test_devices_are_attached_and_detached() -> None:
    """Over some minutes devices are free, in use and unplugged."""
    assert {state for after in (0, 45, 90, 135) for state in values(after, "node_mounted", "device").values()} == {
        -1,
        0,
        1,
    }


def _addresses(after_seconds: float) -> dict[str, str]:
    described = [series for series in samples(after_seconds) if series.startswith("kube_pod_info")]
    return {label(series, "uid"): label(series, "pod_ip") for series in described}
