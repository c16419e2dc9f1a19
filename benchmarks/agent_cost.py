"""The cost of an agent on a host with many containers, and that of another exporter beside it.

As root, inside of namespaces of its own:

    tests/kubernetes/isolate.sh .venv/bin/python -m benchmarks.agent_cost --engine 29 --containers 50

`--beside 'cadvisor -port={port} -docker=unix://{socket}'` also measures another exporter.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from tests.docker.engines import LiveEngine, run_engine
from tools.parts.docker import VERSIONS, obtain_engine

AGENT_PORT, OTHER_PORT = 25050, 25051
SCRAPES, INTERVAL_SECONDS = 6, 10.0
# structlog imports rich, a package of development, if it is there. An installed agent has no such package.
_AGENT_SOURCE = (
    "import sys; sys.modules['rich'] = None; sys.argv = ['aggregator', 'agent']; "
    "from aggregator.__main__ import main; main()"
)


@dataclass
class Exporter:
    """A process that is scraped, and what its scrapes took."""

    name: str
    port: int
    process_id: int
    durations: list[float] = field(default_factory=list)
    page: str = ""
    cpu_seconds: float = 0.0

    def scrape(self) -> None:
        """Fetch the page once."""
        started = time.monotonic()
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=60) as response:
            self.page = response.read().decode()
        self.durations.append(time.monotonic() - started)


def main() -> None:
    """Measure and print JSON, one line for each process."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--engine", choices=VERSIONS, default=VERSIONS[0])
    parser.add_argument("--containers", type=int, default=50)
    parser.add_argument("--beside", help="the command of another exporter, with {port} and {socket}")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="agent-"))
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        engine = stack.enter_context(run_engine(obtain_engine(options.engine, print), folder))
        for number in range(options.containers):
            engine.run(f"web-{number}")
        exporters = [stack.enter_context(run_agent(engine))]
        if options.beside:
            command = options.beside.format(port=OTHER_PORT, socket=engine.socket_path).split()
            name = Path(command[0]).name
            exporters.append(stack.enter_context(run_exporter(name, OTHER_PORT, command, {})))
        engine_cpu = measure(exporters, engine)
        for exporter in exporters:
            print(json.dumps(describe(exporter, options.containers)))
        print(json.dumps({"name": f"dockerd {options.engine}", "cpu_percent": engine_cpu}))
        engine.remove_all()


@contextmanager
def run_agent(engine: LiveEngine) -> Iterator[Exporter]:
    """Run an agent."""
    settings = {"DOCKER_HOST": f"unix://{engine.socket_path}", "AGENT_PORT": str(AGENT_PORT)}
    with run_exporter("agent", AGENT_PORT, [sys.executable, "-c", _AGENT_SOURCE], settings) as exporter:
        yield exporter


@contextmanager
def run_exporter(name: str, port: int, command: Sequence[str], settings: dict[str, str]) -> Iterator[Exporter]:
    """Run a program until the block ends; yield it when it answers."""
    log = subprocess.DEVNULL
    with subprocess.Popen(command, env={**os.environ, **settings}, stdout=log, stderr=log) as process:
        exporter = Exporter(name, port, process.pid)
        try:
            end = time.monotonic() + 60
            while not exporter.durations:
                try:
                    exporter.scrape()
                except OSError:
                    assert process.poll() is None and time.monotonic() < end, f"{name} does not answer"  # noqa: PT018
                    time.sleep(0.2)
            yield exporter
        finally:
            process.terminate()


def measure(exporters: Sequence[Exporter], engine: LiveEngine) -> float:
    """Scrape all at the interval; return the CPU of the Engine in percent."""
    assert engine.process is not None
    for exporter in exporters:
        exporter.durations.clear()
        exporter.cpu_seconds = -read_cpu_seconds(exporter.process_id)
    engine_seconds, started = -read_cpu_seconds(engine.process.pid), time.monotonic()
    for number in range(SCRAPES):
        for exporter in exporters:
            exporter.scrape()
        time.sleep(max(0.0, started + (number + 1) * INTERVAL_SECONDS - time.monotonic()))
    for exporter in exporters:
        exporter.cpu_seconds += read_cpu_seconds(exporter.process_id)
    engine_seconds += read_cpu_seconds(engine.process.pid)
    return round(engine_seconds / (SCRAPES * INTERVAL_SECONDS) * 100, 2)


def read_cpu_seconds(process_id: int) -> float:
    """Return the CPU time of a process."""
    fields = Path(f"/proc/{process_id}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def describe(exporter: Exporter, container_count: int) -> dict[str, object]:
    """Return the results of a process."""
    status = Path(f"/proc/{exporter.process_id}/status").read_text(encoding="ascii")
    resident = next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS"))
    samples = [line for line in exporter.page.splitlines() if not line.startswith("#")]
    named = sum(f'name="web-{number}"' in exporter.page for number in range(container_count))
    return {
        "name": exporter.name,
        "collection_seconds": round(median(exporter.durations), 3),
        "cpu_percent": round(exporter.cpu_seconds / (SCRAPES * INTERVAL_SECONDS) * 100, 2),
        "resident_mebibytes": round(int(resident) / 1024, 1),
        "page_kilobytes": round(len(exporter.page) / 1000),
        "samples": len(samples),
        "containers_with_names": named,
    }


if __name__ == "__main__":
    main()
