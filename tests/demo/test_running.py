"""The parts of `python -m demo`: ports, environment, processes and output."""

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from demo import gateway, processes
from demo.__main__ import DemoUpstream, format_agents, format_instructions, start_live_fleet, use_recorded_fleet
from demo.agents import RunningAgents
from demo.fleets import FleetName, parse_fleet_name
from demo.gateway import GatewayPorts, PortError, select_ports
from demo.processes import ManagedProcess, ManagedProcessError, supervise_processes
from demo.prometheus import PrometheusBinaries, PrometheusMissingError, find_free_port
from tests.integration.gateway_process import wait_until

PORTS = GatewayPorts(http=8080, grpc=8181)


def start_child(folder: Path, code: str) -> ManagedProcess:
    """Start a Python process that logs into `folder`."""
    log_path = folder / "child.log"
    with log_path.open("wb") as log:
        process = subprocess.Popen([sys.executable, "-c", code], stdout=log, stderr=log)
    return ManagedProcess("the child", process, log_path)


def test_ports_come_from_the_environment() -> None:
    """HTTP_PORT and GRPC_PORT are used if they are free."""
    http, grpc = find_free_port(), find_free_port()
    assert select_ports({"HTTP_PORT": str(http), "GRPC_PORT": str(grpc)}) == GatewayPorts(http, grpc)


def test_a_port_in_use_is_an_error() -> None:
    """The error names the port and the setting for another one."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(PortError, match=rf"^port {port} is in use: choose another one with HTTP_PORT=\.\.\.$"):
            select_ports({"HTTP_PORT": str(port)})


@pytest.mark.parametrize("text", ["abc", "0", "65536", "-1", "80a"])
def test_an_invalid_port_is_rejected(text: str) -> None:
    """An invalid port number is an error that names its setting."""
    with pytest.raises(PortError, match=f"HTTP_PORT must be a port number from 1 to 65535, got {text}"):
        select_ports({"HTTP_PORT": text})


def test_equal_ports_are_rejected() -> None:
    """The same port for both servers is an error."""
    port = str(find_free_port())
    with pytest.raises(PortError, match="must differ"):
        select_ports({"HTTP_PORT": port, "GRPC_PORT": port})


def test_settings_are_passed_to_the_gateway() -> None:
    """The gateway gets the KEY of the caller; the demo sets the address of Prometheus and the ports."""
    environ = gateway.build_environment(
        {"KEY": "abc", "PROMETHEUS_ADDRESS": "http://elsewhere"}, "http://here:1", PORTS
    )
    assert environ == {
        "KEY": "abc",
        "PROMETHEUS_ADDRESS": "http://here:1",
        "HTTP_PORT": "8080",
        "GRPC_PORT": "8181",
        "HTTP_HOST": "127.0.0.1",
        "GRPC_HOST": "127.0.0.1",
        "METRICS_HOST": "127.0.0.1",
        "REFRESH_INTERVAL": "5",
        "CLUSTER_NAME": "workshop",
    }


def test_the_demo_listens_on_loopback() -> None:
    """It listens on the loopback interface unless the caller sets another address."""
    environ = gateway.build_environment({"HTTP_HOST": "192.0.2.1", "GRPC_HOST": ""}, "http://here:1", PORTS)
    assert (environ["HTTP_HOST"], environ["GRPC_HOST"]) == ("192.0.2.1", "127.0.0.1")


@pytest.mark.parametrize(
    ("variables", "hosts"),
    [
        ({}, {"HTTP_HOST": "127.0.0.1", "GRPC_HOST": "127.0.0.1", "METRICS_HOST": "127.0.0.1"}),
        ({"HTTP_HOST": "192.0.2.1", "GRPC_HOST": ""}, {"HTTP_HOST": "192.0.2.1", "GRPC_HOST": "127.0.0.1"}),
    ],
)
@pytest.mark.parametrize("address", ["", "http://prometheus:9090"])
def test_make_run_listens_on_loopback(
    tmp_path: Path, variables: dict[str, str], hosts: dict[str, str], *, address: str
) -> None:
    """`make run` sets the loopback addresses, for the demo and with PROMETHEUS_ADDRESS, unless the caller sets others.

    It runs `env` in place of Python, in a folder without a project.
    """
    command = ["make", "--silent", f"--file={processes.PROJECT / 'Makefile'}", "--assume-old=setup", "run"]
    completed = subprocess.run(
        [*command, "PYTHON_BIN=sh -c env"],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "PROMETHEUS_ADDRESS": address} | variables,
        capture_output=True,
        text=True,
        check=True,
    )
    printed = dict(line.split("=", 1) for line in completed.stdout.splitlines() if "_HOST=" in line)
    assert printed | hosts == printed


def test_a_set_refresh_interval_is_kept() -> None:
    """REFRESH_INTERVAL of the caller has precedence."""
    assert gateway.build_environment({"REFRESH_INTERVAL": "1"}, "http://here:1", PORTS)["REFRESH_INTERVAL"] == "1"


def test_an_ended_process_is_reported_with_its_log(tmp_path: Path) -> None:
    """The error contains the name of the process, its exit status and the end of its log."""
    ended = start_child(tmp_path, "import sys; print('no such table'); sys.exit(3)")
    ended.process.wait()
    with pytest.raises(ManagedProcessError, match=r"^the child ended with exit status 3\n  no such table$"):
        supervise_processes([ended])


def test_a_killed_process_is_reported_with_the_signal(tmp_path: Path) -> None:
    """The error for a killed process contains the signal."""
    killed = start_child(tmp_path, "import time; time.sleep(60)")
    killed.process.kill()
    killed.process.wait()
    with pytest.raises(ManagedProcessError, match=r"^the child ended by signal 9"):
        killed.check_running()


def test_waiting_times_out(tmp_path: Path) -> None:
    """The error after a timeout contains what was waited for."""
    idle = start_child(tmp_path, "import time; time.sleep(60)")
    try:
        with pytest.raises(ManagedProcessError, match="the child: no topology within 0 s"):
            idle.wait_until(lambda: False, "topology", timeout_seconds=0)
    finally:
        idle.process.kill()
        idle.process.wait()


def test_processes_end_with_a_demo_that_is_killed(tmp_path: Path) -> None:
    """SIGKILL leaves no time to stop processes. Otherwise they would keep their ports until somebody finds them."""
    code = (
        "import sys, time; from pathlib import Path; from demo.processes import run_process\n"
        "child = [sys.executable, '-c', 'import time; time.sleep(600)']\n"
        "with run_process('child', child, {}, Path(sys.argv[1])) as process:\n"
        "    print(process.process.pid, flush=True); time.sleep(600)"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "child.log")]
    with subprocess.Popen(command, cwd=processes.PROJECT, stdout=subprocess.PIPE) as demo:
        assert demo.stdout is not None
        child = psutil.Process(int(demo.stdout.readline()))
        # The signal is set by the time that the child is the program.
        wait_until(lambda: "time.sleep(600)" in " ".join(child.cmdline()[:3]), "child")
        demo.kill()
        psutil.wait_procs([child], timeout=30)
    assert not child.is_running()


def test_a_closed_terminal_stops_the_demo_unless_it_runs_under_nohup() -> None:
    """SIGHUP stops everything in order, like Ctrl-C. nohup ignores it, and that remains."""
    before = {number: signal.getsignal(number) for number in processes.STOP_SIGNALS}
    try:
        processes.install_signal_handlers()
        with pytest.raises(processes.StopRequest):
            os.kill(os.getpid(), signal.SIGHUP)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        processes.install_signal_handlers()
        os.kill(os.getpid(), signal.SIGHUP)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def test_only_the_first_signal_raises() -> None:
    """SIGTERM raises an exception once; during the shutdown it is ignored."""
    before = {number: signal.getsignal(number) for number in processes.STOP_SIGNALS}
    try:
        processes.install_signal_handlers()
        with pytest.raises(processes.StopRequest):
            os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGTERM)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def test_the_instructions_contain_urls_and_commands(tmp_path: Path) -> None:
    """The instructions contain the URLs of the page, the topology, the API and Prometheus, and three commands."""
    prometheus = start_child(tmp_path, "")
    prometheus.process.wait()
    upstream = DemoUpstream("http://127.0.0.1:9090", (prometheus,), page="http://127.0.0.1:9090/targets")
    text = format_instructions(PORTS, upstream, has_key=False, has_page=True)
    assert text.splitlines()[1] == "  web page     http://localhost:8080/ui"
    without_page = format_instructions(PORTS, upstream, has_key=False, has_page=False)
    assert without_page.splitlines()[1] == "  web page     not built: `make setup` says why"
    for expected in (
        "http://localhost:8080/\n",
        "http://localhost:8080/docs",
        "http://127.0.0.1:9090/targets",
    ):
        assert expected in text
    readme = (processes.PROJECT / "README.md").read_text(encoding="utf-8")
    commands = re.search(r"try these in another terminal:\n\n```\n(.*?)```", readme, re.DOTALL)
    assert commands
    assert [line for line in text.splitlines() if line.startswith(("  curl", "  .venv"))] == [
        f"  {line}" for line in commands[1].splitlines()
    ]


def test_the_instructions_name_agent_and_scrape_server(tmp_path: Path) -> None:
    """Beside Docker hosts, the instructions contain the URLs of both, and which Engine the agent shows."""
    child = start_child(tmp_path, "")
    child.process.wait()
    agents = RunningAgents("vm", "127.0.0.1:1", "127.0.0.1:2", None, child, child)
    text = format_instructions(
        PORTS, DemoUpstream("http://127.0.0.1:9090", (child,), agents), has_key=False, has_page=False
    )
    assert "http://127.0.0.1:1/metrics  this machine as the node vm, with a simulated Docker Engine\n" in text
    assert "http://127.0.0.1:2/metrics" in text
    real = replace(agents, engine="unix:///var/run/docker.sock")
    assert "with the Engine at unix:///var/run/docker.sock\n" in format_agents(real)


def raise_missing(_report: object) -> PrometheusBinaries:
    """Act like a machine without Prometheus."""
    raise PrometheusMissingError("none was found")


def test_without_prometheus_the_recording_is_replayed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without Prometheus the gateway replays the shipped recording, and the output says so twice."""
    with contextlib.ExitStack() as parts:
        assert start_live_fleet(parts, tmp_path, FleetName.MIXED, raise_missing, {}) is None
    upstream = use_recorded_fleet()
    assert upstream == DemoUpstream("replay:demo/fleet.recording")
    output = capsys.readouterr().out
    assert "cannot use Prometheus: none was found" in output
    assert "the demo uses the recording demo/fleet.recording" in output
    assert "RECORDED     not live" in format_instructions(PORTS, upstream, has_key=False, has_page=False)


@pytest.mark.parametrize("environ", [{"PROMETHEUS_HOME": "/elsewhere"}, {"FLEET": "kubernetes"}])
def test_what_the_user_has_set_is_not_replaced(tmp_path: Path, environ: dict[str, str]) -> None:
    """With PROMETHEUS_HOME or FLEET, a missing Prometheus is an error instead of a fallback to the recording."""
    with contextlib.ExitStack() as parts, pytest.raises(PrometheusMissingError, match="none was found"):
        start_live_fleet(parts, tmp_path, FleetName.KUBERNETES, raise_missing, environ)


def test_an_unknown_fleet_is_an_error() -> None:
    """The error lists the names of the fleets, and nothing is started."""
    command = [sys.executable, "-m", "demo"]
    ports = {"HTTP_PORT": str(find_free_port()), "GRPC_PORT": str(find_free_port())}
    completed = subprocess.run(
        command, cwd=processes.PROJECT, env={"FLEET": "k8s"} | ports, capture_output=True, text=True, check=False
    )
    assert completed.returncode == 1
    assert completed.stderr == "demo: FLEET must be one of mixed, icos, kubernetes, docker, got k8s\n"
    assert completed.stdout == ""


def test_fleets_have_names() -> None:
    """Without FLEET, or with an empty one, the fleet is mixed."""
    assert [parse_fleet_name(environ) for environ in ({}, {"FLEET": ""}, {"FLEET": "docker"})] == [
        FleetName.MIXED,
        FleetName.MIXED,
        FleetName.DOCKER,
    ]
