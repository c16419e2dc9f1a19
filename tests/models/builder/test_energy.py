"""Energy and power of hosts, from Scaphandre and Kepler."""

from aggregator.refresh.snapshot import list_build_gaps
from tests.support.scenarios import build_scenario, read_scenario


def test_kepler_reports_each_node() -> None:
    """Kepler runs in pods and names the node itself. Zones that overlap are not added up."""
    topology, stats = build_scenario(read_scenario("exporters/kepler-0.10"))
    assert {node.key: (node.energy_joules, node.power_watts) for node in topology.nodes.values()} == {
        "w1": (1950, 42.5),
        "w2": (500, 20),
    }
    assert not list_build_gaps(stats)


def test_scaphandre_scraped_directly() -> None:
    """Scaphandre reports microjoules and microwatts of the host that it runs on."""
    topology, stats = build_scenario(
        'node_boot_time_seconds{job="node",instance="edge1:9100"} 1.7e9\n'
        'scaph_host_energy_microjoules{job="scaphandre",instance="edge1:8080"} 5000000\n'
        'scaph_host_power_microwatts{job="scaphandre",instance="edge1:8080"} 12500000\n'
    )
    (node,) = topology.nodes.values()
    assert (node.energy_joules, node.power_watts) == (5, 12.5)
    assert not list_build_gaps(stats)
