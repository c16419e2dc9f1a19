"""Extreme values, which must not fail a view."""

from aggregator.views.renderers import RENDERERS
from tests.support.samples import build_from_series

OCM_SERIES = [({"type": "ocm", "agent_name": "x", "k8s_cluster_uid": "u"}, "1")]
UNAME_SERIES = [({"k8s_cluster_uid": "u", "icos_host_id": "h", "nodename": "n"}, "1")]
HOST_LABELS = {"k8s_cluster_uid": "u", "icos_host_id": "h"}


def test_etim_overflow() -> None:
    """An absurd CPU usage makes the number of idle cores unknown and does not fail the view."""
    topology, _ = build_from_series(
        {
            "orchestrators": OCM_SERIES,
            "nodes_by_uname": UNAME_SERIES,
            "cpu_count": [(HOST_LABELS, "1e10")],
            "cpu_usage": [(HOST_LABELS, "1e308")],
        }
    )
    assert RENDERERS["etim"](topology, 0.0)


def test_frequency_beyond_64_bits() -> None:
    """A CPU frequency that does not fit into 64 bits is omitted from the 2025 layout."""
    topology, _ = build_from_series(
        {"orchestrators": OCM_SERIES, "nodes_by_uname": UNAME_SERIES, "cpu_frequency": [(HOST_LABELS, "1e30")]}
    )
    assert b"cpuFrequency" not in RENDERERS["2025"](topology, 0.0)
