"""The ports of the stack on the loopback interface: the usual ones of what people open, if they are free."""

import socket
from collections.abc import Mapping
from dataclasses import dataclass

from demo.gateway import LOOPBACK, PortError, parse_free_port
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
    ports = _read_port_settings(environ)
    # First those that are set, so that no other part takes them.
    for name in StackPorts.__dataclass_fields__:
        if name not in ports:
            ports[name] = _select_port(name, set(ports.values()))
    return StackPorts(**ports)


def _read_port_settings(environ: Mapping[str, str]) -> dict[str, int]:
    """Return the ports that are set, by the name of the part."""
    ports: dict[str, int] = {}
    settings: dict[int, str] = {}
    for name, (setting, _) in PUBLISHED_PORTS.items():
        if text := environ.get(setting):
            ports[name] = port = parse_free_port(setting, text)
            if port in settings:
                raise PortError(f"{settings[port]} and {setting} must differ, got {port} for both")
            settings[port] = setting
    return ports


def _select_port(name: str, taken: set[int]) -> int:
    """Return the usual port of a part if it has one that is free, otherwise another one."""
    _, usual = PUBLISHED_PORTS.get(name, ("", None))
    if usual is None or usual in taken:
        return _find_port_outside(taken)
    try:
        with socket.create_server(("", usual)):
            return usual
    except OSError:
        return _find_port_outside(taken)


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
