"""The table of figures, with a description of the machine."""

import platform
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import psutil

from benchmarks.measurements import Measurement
from demo.prometheus import PrometheusBinaries

README_PATH = Path(__file__).with_name("README.md")
BEGIN_MARKER = "<!-- figures: begin -->"
END_MARKER = "<!-- figures: end -->"


def render_markdown(measurements: Sequence[Measurement], binaries: PrometheusBinaries, rounds: int) -> str:
    """Return the description of the machine and a table of the figures."""
    lines = [*_describe_machine(binaries, rounds), "", "| benchmark | nodes | what | value | target | met |"]
    lines.append("|---|---:|---|---:|---|---|")
    for measurement in measurements:
        met = ("yes" if measurement.is_target_met else "**no**") if measurement.target else ""
        value = f"{_format_number(measurement.value)} {measurement.unit}".strip()
        lines.append(
            f"| {measurement.benchmark} | {measurement.nodes:,} | {measurement.description} "
            f"| {value} | {measurement.target} | {met} |"
        )
    return "\n".join(lines)


def write_readme_table(table: str) -> None:
    """Put the table between the markers of the README."""
    before, _, rest = README_PATH.read_text(encoding="utf-8").partition(BEGIN_MARKER)
    _, _, after = rest.partition(END_MARKER)
    README_PATH.write_text(f"{before}{BEGIN_MARKER}\n{table}\n{END_MARKER}{after}", encoding="utf-8")


def _format_number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _describe_machine(binaries: PrometheusBinaries, rounds: int) -> list[str]:
    completed = subprocess.run([str(binaries.prometheus), "--version"], capture_output=True, text=True, check=True)
    prometheus = (completed.stdout or completed.stderr).split("(", 1)[0].split("version")[-1].strip(" ,")
    libraries = ", ".join(f"{name} {version(name)}" for name in ("uvicorn", "uvloop", "grpcio", "msgspec"))
    return [
        f"- {datetime.now(UTC):%Y-%m-%d}, {rounds} rounds; load average at the end {psutil.getloadavg()[0]:.1f}",
        f"- {psutil.cpu_count()} cores ({_read_cpu_model()}), {psutil.virtual_memory().total >> 30} GiB",
        f"- Prometheus {prometheus}; Python {platform.python_version()}, {libraries}",
    ]


def _read_cpu_model() -> str:
    if sys.platform == "linux":
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
