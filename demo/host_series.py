"""What is said at a time about one host as a member of its cluster, and the list of all that is said about it."""

from collections.abc import Callable

from demo import machine_series
from demo.inventory import Host
from demo.motion import phase
from demo.page import Page, labels

FORECAST_SECONDS = 120.0
# The most that is found of each severity.
SEVERITIES = {"Critical": 3, "High": 12, "Medium": 40, "Low": 20, "Untriaged": 9}


def identity(page: Page, host: Host, _at_seconds: float) -> None:
    """Who the host is, where it stands and what it runs."""
    hardware, place = host.hardware, (f"{host.city.latitude}", f"{host.city.longitude}")
    uname = labels(
        nodename=host.name, machine=hardware.machine, sysname="Linux", release="6.1.0-25", domainname="(none)"
    )
    coordinates = labels(icos_alpha_latitude=place[0], icos_alpha_longitude=place[1])
    page.add("node_uname_info", f"{host.labels},{uname},{coordinates}", 1)
    info = labels(
        hostname=host.name, ip=host.ip, os="linux", arch=hardware.go_arch, latitude=place[0], longitude=place[1]
    )
    page.add("tlum_host_info", f"{host.tlum_labels},{info}", 1)
    engine = ("kubernetes", "v1.30.5") if host.is_kubernetes else ("docker", "27.3.1")
    runtime = labels(type=engine[0], version=engine[1], node_name=host.name, cluster_id=host.cluster.identity)
    page.add("tlum_runtime_info", f"{host.tlum_labels},{runtime}", 1)
    own = labels(label_region=host.city.region, label_city=host.city.name, label_hardware=hardware.name)
    page.add("tlum_host_labels", f"{host.tlum_labels},{own}", 1)


def security(page: Page, host: Host, at_seconds: float) -> None:
    """What the security module found; it reports from elsewhere, so the host is named by name and address only."""
    agent = labels(agent_hostname=host.name, agent_ip=host.ip, agent_name=host.name, icos_agent_id="self")
    patched = int(at_seconds // 600) % 5
    page.add("SCA_score", agent, 35 + host.number * 7 % 50 + patched)
    for severity, most in SEVERITIES.items():
        found = int(most * phase(host.number + len(severity)))
        if found:
            page.add("vulnerabilities", f'{agent},severity="{severity}"', found)


def capacity(page: Page, host: Host, _at_seconds: float) -> None:
    """What the scheduler may give away; only Kubernetes says so."""
    if not host.is_kubernetes:
        return
    amounts = [("cpu", "core", host.hardware.cores), ("memory", "byte", host.hardware.memory_bytes)]
    amounts.append(("pods", "integer", 110))
    if host.hardware.gpus:
        amounts.append(("nvidia_com_gpu", "integer", host.hardware.gpus))
    for resource, unit, amount in amounts:
        what = labels(node=host.name, resource=resource, unit=unit)
        page.add("kube_node_status_capacity", f"{host.kube_labels},{what}", amount)


def forecasts(page: Page, host: Host, at_seconds: float) -> None:
    """What the intelligence layer expects in two minutes, in percent."""
    soon = at_seconds + FORECAST_SECONDS
    page.add(
        "intelligence_node_cpu_utilization_prediction", host.labels, round(100 * machine_series.load(host, soon), 2)
    )
    page.add(
        "intelligence_node_memory_utilization_prediction",
        host.labels,
        round(100 * machine_series.memory_used(host, soon), 2),
    )


REPORTS: tuple[Callable[[Page, Host, float], None], ...] = (
    identity,
    security,
    capacity,
    machine_series.processors,
    machine_series.warmth,
    machine_series.memory,
    machine_series.filesystems,
    machine_series.network,
    machine_series.peripherals,
    machine_series.graphics,
    forecasts,
)


def describe(page: Page, host: Host, at_seconds: float) -> None:
    """Add all that is said about a host at a time."""
    for report in REPORTS:
        report(page, host, at_seconds)
