"""The generated files of deploy/monitoring."""

from tools.monitoring.alerting import render_alerting_files
from tools.monitoring.dashboards.all_dashboards import render_grafana_files


def render_monitoring_files() -> dict[str, str]:
    """Return the content of each file by path."""
    return {**render_alerting_files(), **render_grafana_files()}
