"""The ports of the stack on the loopback interface: the usual ones of what people open, if they are free."""

import socket
from collections.abc import Mapping
from dataclasses import dataclass

from demo.gateway import LOOPBACK, parse_free_port
from demo.prometheus import find_free_port

# The setting and the usual port of each part that people open.
PUBLISHED_PORTS = {
    "prometheus": ("PROMETHEUS_PORT", 9090),
    "alertmanager": ("ALERTMANAGER_PORT", 9093),
    "http": ("HTTP_PORT", 8080),
    "grpc": ("GRPC_PORT", 8181),
    "rest_api": ("REST_API_PORT", 5001),
    "apache": ("APACHE_PORT", 8081),
}


@dataclass(frozen=True)
class StackPorts:
    """The port of every part."""

    prometheus: int
    alertmanager: int
    http: int
    grpc: int
    rest_api: int
    apache: int
    apache_status: int
    postgres: int
    node_exporter: int
    blackbox_exporter: int
    apache_exporter: int
    postgres_exporter: int
    mail: int


def select_stack_ports(environ: Mapping[str, str]) -> StackPorts:
    """Return the ports; raise PortError if one that the environment sets cannot be used."""
    published = {name: _select_port(environ, *choice) for name, choice in PUBLISHED_PORTS.items()}
    others = [name for name in StackPorts.__dataclass_fields__ if name not in published]
    taken = set(published.values())
    for name in others:
        published[name] = _find_port_outside(taken)
        taken.add(published[name])
    return StackPorts(**published)


def _select_port(environ: Mapping[str, str], setting: str, usual: int) -> int:
    """Return the port that a setting names, otherwise the usual one if it is free, otherwise another one."""
    if text := environ.get(setting):
        return parse_free_port(setting, text)
    try:
        with socket.create_server(("", usual)):
            return usual
    except OSError:
        return find_free_port()


def _find_port_outside(taken: set[int]) -> int:
    while (port := find_free_port()) in taken:
        pass
    return port


def build_target_addresses(ports: StackPorts, scrape_address: str) -> dict[str, str]:
    """Return the addresses of the targets in deploy/monitoring/targets."""
    local_ports = {
        "aggregator:8080": ports.http,
        "prometheus:9090": ports.prometheus,
        "alertmanager:9093": ports.alertmanager,
        "node-exporter:9100": ports.node_exporter,
        "rest-api:5001": ports.rest_api,
        "apache:80": ports.apache,
        "apache-exporter:9117": ports.apache_exporter,
        "postgres-exporter:9187": ports.postgres_exporter,
        "blackbox-exporter:9115": ports.blackbox_exporter,
    }
    return {name: f"{LOOPBACK}:{port}" for name, port in local_ports.items()} | {
        "aggregator-scrape:5000": scrape_address
    }
