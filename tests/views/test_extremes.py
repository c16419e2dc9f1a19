"""Values beyond all reason, which must not break a view."""

from aggregator.views import BY_NAME
from tests.samples import built

OCM = [({"type": "ocm", "agent_name": "x", "k8s_cluster_uid": "u"}, "1")]
UNAME = [({"k8s_cluster_uid": "u", "icos_host_id": "h", "nodename": "n"}, "1")]
H = {"k8s_cluster_uid": "u", "icos_host_id": "h"}


def test_etim_overflow() -> None:
    """A usage beyond all reason leaves idle cores unknown instead of breaking the refresh."""
    topology, _ = built(
        {"orchestrators": OCM, "nodes_by_uname": UNAME, "cpu_count": [(H, "1e10")], "cpu_usage": [(H, "1e308")]}
    )
    assert BY_NAME["etim"](topology, 0.0)


def test_frequency_out_of_int64() -> None:
    """A clock rate that 64 bits do not hold is no int in the 2025 layout."""
    topology, _ = built({"orchestrators": OCM, "nodes_by_uname": UNAME, "cpu_frequency": [(H, "1e30")]})
    assert b"cpuFrequency" not in BY_NAME["2025"](topology, 0.0)
