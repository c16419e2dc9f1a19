"""All dashboards, and the files that Grafana needs for them."""

import yaml

from tools.monitoring.dashboards.agents import AGENTS
from tools.monitoring.dashboards.cluster import CLUSTER
from tools.monitoring.dashboards.example_service import APACHE, BLACKBOX, POSTGRESQL, REST_API
from tools.monitoring.dashboards.fleet import FLEET
from tools.monitoring.dashboards.gateway import GATEWAY
from tools.monitoring.dashboards.node import NODE
from tools.monitoring.dashboards.parts import (
    INFINITY_NAME,
    INFINITY_TYPE,
    INFINITY_UID,
    NODE_GRAPH_API_NAME,
    NODE_GRAPH_API_TYPE,
    NODE_GRAPH_API_UID,
    PROMETHEUS_NAME,
    PROMETHEUS_UID,
    Dashboard,
)

# By the name of the file.
DASHBOARDS: dict[str, Dashboard] = {
    "fleet": FLEET,
    "cluster": CLUSTER,
    "node": NODE,
    "gateway": GATEWAY,
    "agents": AGENTS,
    "example-service": REST_API,
    "apache": APACHE,
    "postgresql": POSTGRESQL,
    "probes": BLACKBOX,
}

_FOLDER = "deploy/monitoring/grafana"
_GENERATED = "# Generated from tools/monitoring/dashboards by `make generate`.\n"
_GATEWAY_URL = "http://aggregator:8080"

_DATA_SOURCES = {
    "apiVersion": 1,
    "datasources": [
        {
            "name": PROMETHEUS_NAME,
            "uid": PROMETHEUS_UID,
            "type": "prometheus",
            "access": "proxy",
            "url": "http://prometheus:9090",
            "isDefault": True,
            # The scrape interval, from which Grafana derives $__rate_interval.
            "jsonData": {"timeInterval": "15s", "httpMethod": "POST"},
        },
        {
            "name": INFINITY_NAME,
            "uid": INFINITY_UID,
            "type": INFINITY_TYPE,
            "access": "proxy",
            "url": _GATEWAY_URL,
            "jsonData": {"allowedHosts": [_GATEWAY_URL]},
        },
        {
            "name": NODE_GRAPH_API_NAME,
            "uid": NODE_GRAPH_API_UID,
            "type": NODE_GRAPH_API_TYPE,
            "access": "proxy",
            "jsonData": {"url": f"{_GATEWAY_URL}/api/v1/graph"},
        },
    ],
}

_PROVIDERS = {
    "apiVersion": 1,
    "providers": [
        {
            "name": "default",
            "type": "file",
            "updateIntervalSeconds": 10,
            "allowUiUpdates": False,
            "options": {"path": "/var/lib/grafana/dashboards"},
        }
    ],
}


def render_grafana_files() -> dict[str, str]:
    """Return the content of each file by path."""
    return {
        **{f"{_FOLDER}/dashboards/{name}.json": each.render() for name, each in DASHBOARDS.items()},
        f"{_FOLDER}/provisioning/datasources/aggregator.yaml": _render_yaml(_DATA_SOURCES),
        f"{_FOLDER}/provisioning/dashboards/aggregator.yaml": _render_yaml(_PROVIDERS),
    }


def _render_yaml(document: object) -> str:
    return _GENERATED + yaml.safe_dump(document, sort_keys=False)
