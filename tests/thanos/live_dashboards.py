"""The queries of the dashboards find data in Prometheus 3, too."""

from pathlib import Path

from demo.prometheus import PrometheusBinaries
from tests.monitoring.dashboard_check import run_monitored_fleet
from tools.monitoring.dashboards.all_dashboards import DASHBOARDS
from tools.parts.thanos import obtain_thanos_binaries


def test_no_panel_is_empty(tmp_path: Path) -> None:
    """Each variable has values, and each query of a panel has a number, as in Prometheus 2."""
    built = obtain_thanos_binaries()
    with run_monitored_fleet(tmp_path, PrometheusBinaries(built.prometheus, built.promtool)) as fleet:
        for dashboard in DASHBOARDS.values():
            assert fleet.find_empty_queries(dashboard) == []
