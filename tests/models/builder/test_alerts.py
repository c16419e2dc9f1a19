"""The alerts of nodes and pods, with the labels that alerts of stock installations have."""

import pytest

from aggregator.models.topology import Node, Pod, Topology
from tests.support.scenarios import build_scenario

# Two nodes, kube-state-metrics in the pod `ksm`, node_exporter in a pod on each node, and the pod `web`.
CLUSTER = """
kube_node_info{node="n1",internal_ip="10.0.0.1",job="kube-state-metrics",instance="10.244.0.9:8080"} 1
kube_node_info{node="n2",internal_ip="10.0.0.2",job="kube-state-metrics",instance="10.244.0.9:8080"} 1
kube_pod_info{namespace="monitoring",pod="ksm",uid="1",node="n2",pod_ip="10.244.0.9",host_ip="10.0.0.2",
job="kube-state-metrics",instance="10.244.0.9:8080"} 1
kube_pod_info{namespace="monitoring",pod="exporter-1",uid="2",node="n1",pod_ip="10.0.0.1",host_ip="10.0.0.1",
job="kube-state-metrics",instance="10.244.0.9:8080"} 1
kube_pod_info{namespace="shop",pod="web",uid="3",node="n1",pod_ip="10.244.0.5",host_ip="10.0.0.1",
job="kube-state-metrics",instance="10.244.0.9:8080"} 1
node_uname_info{namespace="monitoring",pod="exporter-1",job="node-exporter",instance="10.0.0.1:9100",nodename="n1"} 1
""".replace(",\n", ",")
# What the scrape targets add to every series of kube-state-metrics, node_exporter and the kubelet.
KSM = 'job="kube-state-metrics",instance="10.244.0.9:8080",container="kube-state-metrics"'
EXPORTER = 'job="node-exporter",instance="10.0.0.1:9100",namespace="monitoring",pod="exporter-1",container="exporter"'
KUBELET = 'job="kubelet",instance="10.0.0.1:10250"'


def build_alert(labels: str, severity: str = "warning") -> str:
    """Return the series of a firing alert with the name `Alert`."""
    return f'ALERTS{{alertname="Alert",alertstate="firing",severity="{severity}",{labels}}} 1\n'


def list_alerts(topology: Topology) -> dict[str, dict[str, str]]:
    """Return the alerts of the objects that have some."""
    objects: list[Node | Pod] = [*topology.nodes.values(), *topology.pods.values()]
    return {each.key: dict(each.alerts) for each in objects if each.alerts}


@pytest.mark.parametrize(
    ("labels", "name"),
    [
        (f'{KSM},namespace="shop",pod="web",uid="3"', "web"),
        ('namespace="shop",pod="web",container="nginx"', "web"),
        ('job="shop",instance="10.244.0.5:8080",namespace="shop",pod="web"', "web"),
        (f'{KUBELET},node="n1",namespace="shop",pod="web"', "web"),
        (f'{KUBELET},node="n1",namespace="monitoring",pod="exporter-1"', "exporter-1"),
        (f'{KSM},node="n1",namespace="monitoring",pod="ksm",condition="Ready"', "n1"),
        ('node="n2"', "n2"),
        (f'{EXPORTER},device="/dev/sda1"', "n1"),
        (KUBELET, "n1"),
    ],
)
def test_an_alert_belongs_to_the_object_that_it_is_about(labels: str, name: str) -> None:
    """Labels of the scrape target, such as the pod of kube-state-metrics, are not those of the object."""
    topology, stats = build_scenario(CLUSTER + build_alert(labels))
    assert list_alerts(topology) == {name: {"Alert": "warning"}}
    assert not stats.unplaced


@pytest.mark.parametrize(
    "labels",
    [
        f'{KSM},namespace="monitoring",pod="ksm",deployment="web"',
        'namespace="shop",pod="gone"',
        'job="blackbox",instance="https://example.com"',
        "",
    ],
)
def test_other_alerts_are_not_shown(labels: str) -> None:
    """Alerts about something else, or about a pod that does not exist, do not make the topology incomplete."""
    topology, stats = build_scenario(CLUSTER + build_alert(labels))
    assert not list_alerts(topology)
    assert not stats.unplaced
    assert stats.skipped["node_alerts"] + stats.skipped["pod_alerts"] == 2


def test_pending_alerts_are_not_shown() -> None:
    """Only alerts that fire count."""
    topology, _ = build_scenario(CLUSTER + build_alert('node="n1"').replace("firing", "pending"))
    assert not list_alerts(topology)


@pytest.mark.parametrize(
    ("severities", "highest"),
    [
        (("warning", "critical", "page"), "critical"),
        (("critical", "info"), "critical"),
        (("none", "critical"), "critical"),
        (("warning", "emergency"), "emergency"),
    ],
)
def test_an_alert_has_its_highest_severity(severities: tuple[str, ...], highest: str) -> None:
    """An alert that fires several times for an object has the highest severity."""
    text = "".join(build_alert(f'{EXPORTER},device="{each}"', each) for each in severities)
    topology, stats = build_scenario(CLUSTER + text)
    assert list_alerts(topology) == {"n1": {"Alert": highest}}
    assert not stats.conflicts


def test_an_alert_without_severity() -> None:
    """An alert without a severity is shown with an empty one."""
    topology, _ = build_scenario(CLUSTER + 'ALERTS{alertname="Custom",alertstate="firing",node="n1"} 1\n')
    assert list_alerts(topology) == {"n1": {"Custom": ""}}


def test_alerts_where_the_target_hides_labels() -> None:
    """Without `honor_labels`, the labels `exported_…` are those of the object."""
    hidden = 'namespace="monitoring",pod="ksm",node="n2",job="kubernetes",instance="10.244.0.9:8080"'
    cluster = (
        "".join(f'kube_node_info{{{hidden},exported_node="{name}"}} 1\n' for name in ("n1", "n2"))
        + f'kube_pod_info{{{hidden},exported_namespace="shop",exported_pod="web",uid="3",exported_node="n1"}} 1\n'
    )
    pod_alert = build_alert(f'{hidden},exported_namespace="shop",exported_pod="web"')
    node_alert = build_alert(f'{hidden},exported_node="n1"', "critical")
    topology, _ = build_scenario(cluster + pod_alert + node_alert)
    assert list_alerts(topology) == {"web": {"Alert": "warning"}, "n1": {"Alert": "critical"}}


def test_alerts_with_icos_labels() -> None:
    """An alert with ICOS labels belongs to the host or pod that they name."""
    labels = 'k8s_cluster_uid="u",icos_agent_id="a",icos_host_name="u:n1"'
    topology, _ = build_scenario(
        'tlum_orch_info{k8s_cluster_uid="u",type="ocm",agent_id="a",agent_name="edge"} 1\n'
        f'tlum_host_info{{{labels},icos_host_id="h",hostname="n1"}} 1\n'
        f'kube_pod_info{{{labels},namespace="shop",pod="web",uid="3"}} 1\n'
        + build_alert(f'{labels},icos_host_id="h"')
        + build_alert(f'{labels},namespace="shop",pod="web"', "info")
    )
    assert list_alerts(topology) == {"n1": {"Alert": "warning"}, "web": {"Alert": "info"}}
