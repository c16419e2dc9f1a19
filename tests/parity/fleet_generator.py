"""The hand that draws a fleet: names and values, plain or odd, and the accidents that happen to series."""

import random
from dataclasses import dataclass, field

from tests.parity.fleet_telemetry import FleetSeries, FleetTelemetry, build_series, build_telemetry

ODD_NAMES = (
    *("ünïcode-é", "名前", "😀", "\U0010ffff", "a<b>&c", 'quo"ted', "back\\slash", "a/b", "a/../b", " spaced name "),
    *("new\nline", "tab\there", "bell\x07", "back\bspace\f", "del\x7f", "c1\x85\x9f", "sep\u2028\u2029", "\ufeffbom"),
    *("\uff5efull", "\ufffd", "UPPER", "_under", "a_b_c", "-", "0", "null", "true", "self", "nuvla", "%41", "a" * 300),
)
ODD_VALUES = (
    *("0", "0", "-1", "-0", "0.5", "-0.5", "1.9", "-1.9", "3.9", "1e-7", "1e-6", "9.99e-7", "0.1", "5e-324"),
    *("1e15", "123456789012345680", "9007199254740993", "1e20", "-1e20", "1e21", "2147483647", "2147483648"),
    *("-2147483649", "9.223372036854775e18", "9.3e18", "1e30", "-1e30", "1e100"),
)
NON_FINITE_VALUES = ("NaN", "+Inf", "-Inf")
ODD_DEGREES = ("", "0", "-0", "+5", ".5", "5.", "1e3", "1e-7", "abc", "1,5", " 1", "0x1", "181", "-90.000001", "1e-400")
# Numbers for Go, and no numbers for ours.
GO_ONLY_DEGREES = ("1_0", "0x1p-2", "-0X1.8p4")
# An identity is told by labels; its value is always 1, so that only its labels meet accidents.
IDENTITY_METRICS = {
    *("tlum_orch_info", "tlum_ocm_agent_info", "tlum_host_info", "node_uname_info", "node_network_info"),
    *("node_network_address_info", "kube_pod_info", "kube_pod_container_info", "up", "kube_pod_status_phase"),
    *("tlum_workload_info", "tlum_runtime_info", "tlum_host_labels"),
}


@dataclass
class FleetGenerator:
    """What has been drawn so far. `wildness` is the chance of an accident: 0 draws the telemetry as it should be."""

    rng: random.Random
    oddity_rate: float
    has_replicas: bool = False
    generated_series: list[FleetSeries] = field(default_factory=list)

    def finish_telemetry(self) -> FleetTelemetry:
        """Return all that was drawn."""
        return build_telemetry(self.generated_series)

    def happens(self, probability: float) -> bool:
        """Tell whether something that is this likely happens now."""
        return self.rng.random() < probability

    def is_odd(self, factor: float = 1.0) -> bool:
        """Tell whether an accident happens now."""
        return self.happens(self.oddity_rate * factor)

    def generate_name(self, stem: str) -> str:
        """Return a name: the stem and a number, or something that somebody will use one day."""
        if self.is_odd(0.4):
            return self.rng.choice(ODD_NAMES)
        return f"{stem}-{self.rng.randint(1, 40)}"

    def generate_identifier(self, length: int = 32) -> str:
        """Return lower-case hexadecimal digits."""
        return f"{self.rng.getrandbits(length * 4):0{length}x}"

    def generate_integer(self, low: int, high: int) -> str:
        """Return a whole number between the two, as text."""
        return str(self.rng.randint(low, high))

    def generate_float(self, low: float, high: float) -> str:
        """Return a number between the two, as text."""
        return repr(round(self.rng.uniform(low, high), self.rng.randint(0, 9)))

    def generate_degrees(self, limit: float) -> str:
        """Return a latitude or longitude as somebody typed it."""
        if self.is_odd(0.3):
            return self.rng.choice(GO_ONLY_DEGREES)
        return self.rng.choice(ODD_DEGREES) if self.is_odd() else self.generate_float(-limit, limit)

    def add_series(self, metric: str, labels: dict[str, str], value: str = "1") -> None:
        """Draw a series, unless it gets lost; it may lose a label, have an odd value, or come twice."""
        if self.is_odd(0.3):
            return
        if self.is_odd(0.2):
            labels = {name: text for name, text in labels.items() if name != self.rng.choice(sorted(labels))}
        if metric not in IDENTITY_METRICS and self.is_odd():
            value = self._generate_odd_value()
        self.generated_series.append(build_series(metric, labels, value))
        if self.has_replicas and metric != "node_uname_info":
            self.generated_series.append(build_series(metric, {**labels, "replica": "b"}, value))
        if metric not in IDENTITY_METRICS and self.is_odd(0.3):
            self.generated_series.append(
                build_series(metric, {**labels, "replica": "c"}, self.generate_integer(0, 100))
            )

    def _generate_odd_value(self) -> str:
        return self.rng.choice(NON_FINITE_VALUES if self.happens(0.05) else ODD_VALUES)
