"""The programs that show the metrics of the catalog: what they are called, and what of them has to be switched on."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Exporter:
    """A program that shows metrics, and the part of it that shows these, where it can do without that part."""

    name: str
    part: str = ""

    def __str__(self) -> str:
        return f"{self.name}, {self.part}" if self.part else self.name


NODE_EXPORTER = "node_exporter"
KUBE_STATE_METRICS = "kube-state-metrics"
KUBELET = "kubelet statistics (OpenTelemetry)"
CADVISOR = "cAdvisor"
DOCKER = "Docker statistics (OpenTelemetry)"

PROMETHEUS = Exporter("Prometheus itself")
TELEMETRY_AGENT = Exporter("ICOS telemetry agent")
KUBERNETES = Exporter(KUBE_STATE_METRICS)
KUBELET_STATISTICS = Exporter(KUBELET)
CADVISOR_STATISTICS = Exporter(CADVISOR)
DOCKER_STATISTICS = Exporter(DOCKER)
SCAPHANDRE = Exporter("Scaphandre")
SCAPHANDRE_BY_OTEL = Exporter("Scaphandre", "through OpenTelemetry")
DCGM = Exporter("NVIDIA DCGM exporter")
GPU_PLUGIN = Exporter(KUBE_STATE_METRICS, "on nodes with NVIDIA's device plugin")
SECURITY = Exporter("ICOS security module")
FORECASTS = Exporter("ICOS forecasting module")
DISCOVERY = Exporter("ICOS device discovery")


def collector(name: str) -> Exporter:
    """Return node_exporter with one of its collectors."""
    return Exporter(NODE_EXPORTER, f"collector {name}")
