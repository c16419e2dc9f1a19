"""The whole stack as a user runs it: `make test-stack`.

The tests run in their order: those of the healthy stack first, then an endpoint is broken, and the last ones stop it.
"""

import contextlib
import email
import email.policy
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml

from demo.gateway import get_http
from demo.processes import PROJECT
from demo.prometheus import find_free_port
from demo.stack.__main__ import create_run_folder
from demo.stack.monitoring import MONITORING_FOLDER
from demo.stack.ports import PUBLISHED_PORTS
from tests.monitoring.dashboard_queries import DashboardQuery, PrometheusQueries
from tests.monitoring.older_dashboards import OlderDashboard, load_older_dashboards
from tools.monitoring.dashboards.all_dashboards import DASHBOARDS
from tools.monitoring.dashboards.parts import Telemetry

START_SECONDS = 150.0
MAIL_SECONDS = 120.0
# The alert ends with its window, and Alertmanager sends the next mail of a group after a minute.
RESOLVED_SECONDS = 180.0
PANEL_SECONDS = 90.0
STOP_SECONDS = 30.0
HEALTHY_SECONDS = 60 * float(os.environ.get("HEALTHY_MINUTES", "10"))
POLL_SECONDS = 0.5
# It fires as long as the monitoring works.
DEAD_MANS_SWITCH = "Watchdog"


@dataclass
class StackProcess:
    """A running `python -m demo.stack`, its folder for temporary files, and what it has printed."""

    process: "subprocess.Popen[str]"
    folder: Path
    lines: list[str] = field(default_factory=list)

    def wait_for(self, condition: Callable[[], Any], description: str, timeout_seconds: float) -> Any:
        """Poll until the condition is true, and return its value."""
        end = time.monotonic() + timeout_seconds
        while not (value := condition()):
            assert time.monotonic() < end, f"no {description} in {timeout_seconds:.0f} s:\n{self.output}"
            time.sleep(POLL_SECONDS)
        return value

    def wait_for_output(self, text: str, timeout_seconds: float) -> None:
        """Wait until a text has been printed."""
        self.wait_for(lambda: text in self.output or self.process.poll() is not None, text, timeout_seconds)
        assert text in self.output, self.output

    def wait_for_end(self) -> int:
        """Return the exit status."""
        return self.process.wait(STOP_SECONDS)

    @property
    def output(self) -> str:
        """Everything that has been printed."""
        return "".join(self.lines)

    def list_parts(self) -> list[psutil.Process]:
        """Return the running processes whose output goes to the folder, whatever their parents are."""
        return [one for one in psutil.process_iter() if self._is_output_of(one)]

    def _is_output_of(self, process: psutil.Process) -> bool:
        try:
            output = Path(f"/proc/{process.pid}/fd/1").readlink()
        except OSError:
            # It has ended, or belongs to another user.
            return False
        return output.is_relative_to(self.folder)

    def find_command(self, method: str, ending: str = "") -> str:
        """Return a command that the output recommends."""
        return next(line.strip() for line in self.lines if f"curl -X {method}" in line and ending in line)

    def read_mails(self) -> list[EmailMessage]:
        """Return the mails that have arrived."""
        match = re.search(r"stored in (\S+) until", self.output)
        assert match is not None
        return [
            email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
            for path in sorted(Path(match[1]).glob("*.eml"))
        ]

    def query_prometheus(self, path: str) -> Any:
        """Return the data of a response of Prometheus."""
        return json.loads(get_http(self.prometheus_url, path)[1])["data"]

    @property
    def prometheus_url(self) -> str:
        """The URL of Prometheus."""
        match = re.search(r"Prometheus +(http://localhost:\d+)/", self.output)
        assert match is not None
        return match[1]

    def list_firing_alerts(self) -> set[str]:
        """Return the names of the alerts that fire."""
        alerts = self.query_prometheus("/api/v1/alerts")["alerts"]
        return {alert["labels"]["alertname"] for alert in alerts if alert["state"] == "firing"}


@contextlib.contextmanager
def run_stack() -> Iterator[StackProcess]:
    """Run the stack on free ports while the block runs."""
    environ = {name: os.environ[name] for name in ("PATH", "HOME", "XDG_CACHE_HOME") if name in os.environ}
    environ |= {setting: str(find_free_port()) for setting, _ in PUBLISHED_PORTS.values()}
    command = [sys.executable, "-m", "demo.stack"]
    with (
        tempfile.TemporaryDirectory() as folder,
        subprocess.Popen(
            command,
            cwd=PROJECT,
            env=environ | {"TMPDIR": folder},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as process,
    ):
        stack = StackProcess(process, Path(folder))
        # Servers that run as another user have their folders in it.
        stack.folder.chmod(0o711)
        assert process.stdout is not None
        reader = threading.Thread(target=stack.lines.extend, args=(process.stdout,))
        reader.start()
        try:
            yield stack
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(STOP_SECONDS)
            reader.join()


@pytest.fixture(scope="module")
def stack() -> Iterator[StackProcess]:
    """A healthy stack."""
    with run_stack() as stack:
        stack.wait_for_output("Ctrl-C stops everything.", START_SECONDS)
        yield stack


def run_command(command: str) -> None:
    """Run a command that the output recommends."""
    subprocess.run(["bash", "-c", f"{command} --silent --show-error --fail"], check=True)


def test_every_target_of_every_job_is_up(stack: StackProcess) -> None:
    """Prometheus scrapes all targets of deploy/monitoring under the names of the compose file."""
    expected = set()
    for path in (MONITORING_FOLDER / "targets").iterdir():
        for group in yaml.safe_load(path.read_text(encoding="utf-8")):
            instances = [group["labels"]["instance"]] if "labels" in group else group["targets"]
            expected |= {(path.stem, instance, "up") for instance in instances}
    targets = stack.query_prometheus("/api/v1/targets?state=active")["activeTargets"]
    assert {(one["labels"]["job"], one["labels"]["instance"], one["health"]) for one in targets} == expected


def wait_for_numbers(find_empty_queries: Callable[[], Sequence[object]]) -> Sequence[object]:
    """Poll until no query is empty, because rates need two scrapes; return the queries that stay empty."""
    end = time.monotonic() + PANEL_SECONDS
    while True:
        is_over = time.monotonic() > end
        try:
            empty = find_empty_queries()
        except AssertionError:
            # A variable of a dashboard has no values yet.
            if is_over:
                raise
        else:
            if is_over or not empty:
                return empty
        time.sleep(POLL_SECONDS)


@pytest.mark.parametrize("name", [name for name in DASHBOARDS if name != "cluster"])
def test_no_panel_is_empty(stack: StackProcess, name: str) -> None:
    """Each query of each dashboard has a number, except those about Kubernetes, which the stack does not have.

    Only node_exporter has the details of a host; the agent has none.
    """
    queries, dashboard = PrometheusQueries(stack.prometheus_url), DASHBOARDS[name]
    fixed = {"job": "node-exporter"} if name == "node" else {}

    def find_empty_queries() -> list[DashboardQuery]:
        stack_queries = queries.find_empty_queries(dashboard, Telemetry.STACK, **fixed)
        return queries.find_empty_queries(dashboard, Telemetry.FLEET) + stack_queries

    assert wait_for_numbers(find_empty_queries) == []


@pytest.mark.parametrize("older", load_older_dashboards(), ids=lambda older: older.uid)
def test_dashboards_of_the_older_stack_find_data(stack: StackProcess, older: OlderDashboard) -> None:
    """Whoever imports a dashboard of the older stack sees a number for each of its queries."""
    queries = PrometheusQueries(stack.prometheus_url)
    assert wait_for_numbers(lambda: older.find_empty_queries(queries)) == []


def test_no_alert_fires_on_a_healthy_stack(stack: StackProcess) -> None:
    """Until the stack has run for HEALTHY_MINUTES, nothing has fired but the dead man's switch."""
    queries = PrometheusQueries(stack.prometheus_url)
    is_old = f'time() - process_start_time_seconds{{job="prometheus"}} > {HEALTHY_SECONDS}'
    stack.wait_for(lambda: queries.get_samples(is_old), "healthy minutes", HEALTHY_SECONDS + MAIL_SECONDS)
    fired = queries.get_samples('group by (alertname) (max_over_time(ALERTS{alertstate="firing"}[1d]))')
    assert {sample["metric"]["alertname"] for sample in fired} == {DEAD_MANS_SWITCH}


def test_a_broken_endpoint_is_mailed_and_its_repair_as_well(stack: StackProcess) -> None:
    """The warning arrives within two minutes, and the end after the repair, each once."""
    assert stack.read_mails() == []
    run_command(stack.find_command("PUT", "delay_seconds=0.5'"))
    (warning,) = stack.wait_for(stack.read_mails, "mail", MAIL_SECONDS)
    assert "[WARNING]" in warning["Subject"]
    assert "check_flight" in str(warning)
    assert warning["To"] == "operations@stack.example"
    run_command(stack.find_command("DELETE"))
    _, resolved = stack.wait_for(lambda: stack.read_mails()[1:] and stack.read_mails(), "mail", RESOLVED_SECONDS)
    assert "[RESOLVED]" in resolved["Subject"]
    assert "check_flight" in str(resolved)
    assert stack.list_firing_alerts() - {DEAD_MANS_SWITCH} == set()


def test_a_part_that_ends_stops_the_stack_with_a_reason(stack: StackProcess) -> None:
    """The message names the part and how it ended, and neither another part nor a file is left."""
    (service,) = (one for one in stack.list_parts() if one.cmdline()[-2:] == ["-m", "demo.example_service"])
    service.kill()
    assert stack.wait_for_end() == 1
    assert "stack: example service ended by signal 9" in stack.output
    assert stack.list_parts() == []
    assert list(stack.folder.iterdir()) == []


@pytest.mark.parametrize("stage", ["2/5", "3/5", "4/5", "5/5"])
def test_an_interrupt_during_the_start_stops_the_stack(stage: str) -> None:
    """Ctrl-C stops what has been started, and neither a process nor a file is left."""
    with run_stack() as stack:
        stack.wait_for_output(stage, START_SECONDS)
        stack.wait_for(stack.list_parts, "part", START_SECONDS)
        stack.process.send_signal(signal.SIGINT)
        assert stack.wait_for_end() == 0
        assert stack.list_parts() == []
        assert list(stack.folder.iterdir()) == []
    assert stack.lines[-1] == "stopped\n"


def test_a_stack_that_is_killed_leaves_nothing_running() -> None:
    """All parts end, although nobody stops them, and the next run removes the files."""
    with run_stack() as stack:
        stack.wait_for_output("4/5", START_SECONDS)
        assert len(stack.list_parts()) > 5
        stack.process.kill()
        stack.wait_for(lambda: not stack.list_parts(), "end of the parts", STOP_SECONDS)
        assert len(list(stack.folder.iterdir())) == 1
        # What the next run does first.
        with create_run_folder(stack.folder):
            pass
        assert list(stack.folder.iterdir()) == []
