"""The figures as a table that a person reads, with the machine they come from."""

import platform
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import psutil

from benchmarks.figures import Figure
from demo.prometheus import Binaries

README = Path(__file__).with_name("README.md")
BEGIN = "<!-- figures: begin -->"
END = "<!-- figures: end -->"


def markdown(figures: Sequence[Figure], binaries: Binaries, rounds: int) -> str:
    """Return the machine and a table of the figures."""
    lines = [*_machine(binaries, rounds), "", "| question | nodes | what | figure | aim | met |"]
    lines.append("|---|---:|---|---:|---|---|")
    for figure in figures:
        met = ("yes" if figure.is_met else "**no**") if figure.aim else ""
        value = f"{_number(figure.value)} {figure.unit}".strip()
        lines.append(f"| {figure.question} | {figure.nodes:,} | {figure.what} | {value} | {figure.aim} | {met} |")
    return "\n".join(lines)


def write(table: str) -> None:
    """Put the table between the markers of the README."""
    before, _, rest = README.read_text(encoding="utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    README.write_text(f"{before}{BEGIN}\n{table}\n{END}{after}", encoding="utf-8")


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _machine(binaries: Binaries, rounds: int) -> list[str]:
    said = subprocess.run([str(binaries.prometheus), "--version"], capture_output=True, text=True, check=True)
    prometheus = (said.stdout or said.stderr).split("(", 1)[0].split("version")[-1].strip(" ,")
    libraries = ", ".join(f"{name} {version(name)}" for name in ("uvicorn", "uvloop", "grpcio", "msgspec"))
    return [
        f"- {datetime.now(UTC):%Y-%m-%d}, {rounds} rounds; load average at the end {psutil.getloadavg()[0]:.1f}",
        f"- {psutil.cpu_count()} cores ({_cpu()}), {psutil.virtual_memory().total >> 30} GiB",
        f"- Prometheus {prometheus}; Python {platform.python_version()}, {libraries}",
    ]


def _cpu() -> str:
    if sys.platform == "linux":
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
