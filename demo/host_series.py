"""The series about a host as a member of its cluster, and the list of all series about a host."""

from collections.abc import Callable

from demo import machine_series
from demo.exposition import ExpositionPage, format_labels
from demo.inventory import SimulatedHost
from demo.motion import compute_phase

FORECAST_HORIZON_SECONDS = 120.0
# The security of each host is assessed once a day, at different times.
ASSESSMENT_INTERVAL_SECONDS = 86_400
# The maximum of findings by severity.
MAX_FINDINGS_BY_SEVERITY = {"Critical": 3, "High": 12, "Medium": 40, "Low": 20, "Untriaged": 9}


def add_identity(page: ExpositionPage, host: SimulatedHost, _at_seconds: float) -> None:
    """Add identity, location and container engine."""
    hardware, position = host.hardware, (f"{host.city.latitude}", f"{host.city.longitude}")
    uname = format_labels(
        nodename=host.name, machine=hardware.uname_machine, sysname="Linux", release="6.1.0-25", domainname="(none)"
    )
    coordinates = format_labels(icos_alpha_latitude=position[0], icos_alpha_longitude=position[1])
    page.add_sample("node_uname_info", f"{host.labels},{uname},{coordinates}", 1)
    info = format_labels(
        hostname=host.name, ip=host.ip, os="linux", arch=hardware.go_arch, latitude=position[0], longitude=position[1]
    )
    page.add_sample("tlum_host_info", f"{host.telemetry_agent_labels},{info}", 1)
    engine = ("kubernetes", "v1.30.5") if host.is_kubernetes else ("docker", "27.3.1")
    runtime = format_labels(type=engine[0], version=engine[1], node_name=host.name, cluster_id=host.cluster.cluster_id)
    page.add_sample("tlum_runtime_info", f"{host.telemetry_agent_labels},{runtime}", 1)
    host_labels = format_labels(label_region=host.city.region, label_city=host.city.name, label_hardware=hardware.name)
    page.add_sample("tlum_host_labels", f"{host.telemetry_agent_labels},{host_labels}", 1)


def add_security_findings(page: ExpositionPage, host: SimulatedHost, at_seconds: float) -> None:
    """Add findings of the security module, which runs elsewhere: only the name and the address identify the host."""
    agent = format_labels(agent_hostname=host.name, agent_ip=host.ip, agent_name=host.name, icos_agent_id="self")
    patch_level = int(at_seconds / ASSESSMENT_INTERVAL_SECONDS + compute_phase(host.fleet_index)) % 5
    page.add_sample("SCA_score", agent, 35 + host.fleet_index * 7 % 50 + patch_level)
    for severity, max_findings in MAX_FINDINGS_BY_SEVERITY.items():
        findings = int(max_findings * compute_phase(host.fleet_index + len(severity)))
        if findings:
            page.add_sample("vulnerabilities", f'{agent},severity="{severity}"', findings)


def add_capacity(page: ExpositionPage, host: SimulatedHost, _at_seconds: float) -> None:
    """Add what the Kubernetes scheduler can allocate."""
    if not host.is_kubernetes:
        return
    amounts = [("cpu", "core", host.hardware.cores), ("memory", "byte", host.hardware.memory_bytes)]
    amounts.append(("pods", "integer", 110))
    if host.hardware.gpus:
        amounts.append(("nvidia_com_gpu", "integer", host.hardware.gpus))
    for resource, unit, amount in amounts:
        resource_labels = format_labels(node=host.name, resource=resource, unit=unit)
        page.add_sample("kube_node_status_capacity", f"{host.cluster_exporter_labels},{resource_labels}", amount)


def add_forecasts(page: ExpositionPage, host: SimulatedHost, at_seconds: float) -> None:
    """Add the forecasts for two minutes later, in percent."""
    forecast_at_seconds = at_seconds + FORECAST_HORIZON_SECONDS
    page.add_sample(
        "intelligence_node_cpu_utilization_prediction",
        host.labels,
        round(100 * machine_series.compute_load(host, forecast_at_seconds), 2),
    )
    page.add_sample(
        "intelligence_node_memory_utilization_prediction",
        host.labels,
        round(100 * machine_series.compute_memory_used_ratio(host, forecast_at_seconds), 2),
    )


HOST_SERIES_WRITERS: tuple[Callable[[ExpositionPage, SimulatedHost, float], None], ...] = (
    add_identity,
    add_security_findings,
    add_capacity,
    machine_series.add_processors,
    machine_series.add_temperatures,
    machine_series.add_memory,
    machine_series.add_filesystems,
    machine_series.add_network,
    machine_series.add_peripherals,
    machine_series.add_gpus,
    add_forecasts,
)


def add_host_series(page: ExpositionPage, host: SimulatedHost, at_seconds: float) -> None:
    """Add all series about a host at a time."""
    for add_series in HOST_SERIES_WRITERS:
        add_series(page, host, at_seconds)
