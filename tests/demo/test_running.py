"""The parts of `python -m demo`: ports, the gateway's environment, children, and what a person is told."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from demo import gateway, signals
from demo.__main__ import Upstream, invitation, live_fleet, recorded_fleet
from demo.children import Child, ChildError, watch
from demo.ports import PortError, Ports, choose
from demo.prometheus import Binaries, PrometheusMissingError, free_port

PORTS = Ports(http=8080, grpc=8181)


def child(folder: Path, code: str) -> Child:
    """Start a Python process that logs into `folder`."""
    log_path = folder / "child.log"
    with log_path.open("wb") as log:
        process = subprocess.Popen([sys.executable, "-c", code], stdout=log, stderr=log)
    return Child("the child", process, log_path)


def test_ports_come_from_the_environment() -> None:
    """HTTP_PORT and GRPC_PORT are taken as they are when they are free."""
    http, grpc = free_port(), free_port()
    assert choose({"HTTP_PORT": str(http), "GRPC_PORT": str(grpc)}) == Ports(http, grpc)


def test_a_taken_port_is_one_clear_line() -> None:
    """The line names the port and the setting that chooses another."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(PortError, match=rf"^port {port} is taken: name another with HTTP_PORT=\.\.\.$"):
            choose({"HTTP_PORT": str(port)})


@pytest.mark.parametrize("text", ["abc", "0", "65536", "-1", "80a"])
def test_a_port_is_a_number(text: str) -> None:
    """What is no port number is refused by the name of its setting."""
    with pytest.raises(PortError, match=f"HTTP_PORT={text} is no port"):
        choose({"HTTP_PORT": text})


def test_the_two_ports_differ() -> None:
    """One port for both servers is refused."""
    port = str(free_port())
    with pytest.raises(PortError, match="name two"):
        choose({"HTTP_PORT": port, "GRPC_PORT": port})


def test_settings_pass_through_to_the_gateway() -> None:
    """The caller's KEY reaches the gateway; the address of Prometheus and the ports are the demo's."""
    environ = gateway.environment({"KEY": "abc", "PROMETHEUS_ADDRESS": "http://elsewhere"}, "http://here:1", PORTS)
    assert environ == {
        "KEY": "abc",
        "PROMETHEUS_ADDRESS": "http://here:1",
        "HTTP_PORT": "8080",
        "GRPC_PORT": "8181",
        "HTTP_HOST": "127.0.0.1",
        "GRPC_HOST": "127.0.0.1",
        "REFRESH_INTERVAL": "5",
    }


def test_the_demo_is_for_who_started_it() -> None:
    """It listens on the machine's own address alone, unless the caller names another."""
    environ = gateway.environment({"HTTP_HOST": "0.0.0.0", "GRPC_HOST": ""}, "http://here:1", PORTS)  # noqa: S104 - as a caller may
    assert (environ["HTTP_HOST"], environ["GRPC_HOST"]) == ("0.0.0.0", "127.0.0.1")  # noqa: S104 - see above


def test_a_set_refresh_interval_is_kept() -> None:
    """REFRESH_INTERVAL of the caller wins over the demo's."""
    assert gateway.environment({"REFRESH_INTERVAL": "1"}, "http://here:1", PORTS)["REFRESH_INTERVAL"] == "1"


def test_an_ended_child_is_named_with_its_last_words(tmp_path: Path) -> None:
    """The error says which process ended, with what status, and what it logged last."""
    ended = child(tmp_path, "import sys; print('no such table'); sys.exit(3)")
    ended.process.wait()
    with pytest.raises(ChildError, match=r"^the child ended with exit status 3\n  no such table$"):
        watch([ended])


def test_a_killed_child_is_told_by_its_signal(tmp_path: Path) -> None:
    """A process that was killed ended by a signal, not with a status."""
    killed = child(tmp_path, "import time; time.sleep(60)")
    killed.process.kill()
    killed.process.wait()
    with pytest.raises(ChildError, match=r"^the child ended by signal 9"):
        killed.check()


def test_waiting_has_an_end(tmp_path: Path) -> None:
    """What does not happen in time is an error that says what was waited for."""
    idle = child(tmp_path, "import time; time.sleep(60)")
    try:
        with pytest.raises(ChildError, match="the child: no topology within 0 s"):
            idle.wait_until(lambda: False, "topology", within_seconds=0)
    finally:
        idle.process.kill()
        idle.process.wait()


def test_the_first_signal_stops_and_later_ones_are_ignored() -> None:
    """SIGTERM becomes an exception once; while the parts are being stopped it changes nothing."""
    before = {number: signal.getsignal(number) for number in signals.STOPPING}
    try:
        signals.arm()
        with pytest.raises(signals.StopRequest):
            os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGTERM)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def test_the_invitation_names_what_to_open(tmp_path: Path) -> None:
    """A person is told the topology, the API, Prometheus and three commands to try."""
    prometheus = child(tmp_path, "")
    prometheus.process.wait()
    text = invitation(PORTS, Upstream("http://127.0.0.1:9090", (prometheus,)), has_key=False)
    for expected in (
        "http://localhost:8080/\n",
        "http://localhost:8080/docs",
        "http://127.0.0.1:9090",
        "curl -s localhost:8080/ | head -40",
        ".venv/bin/python -m aggregator show --url http://localhost:8080",
        ".venv/bin/python -m aggregator.etim_client localhost:8181",
    ):
        assert expected in text


def missing(_say: object) -> Binaries:
    """Be a machine on which no Prometheus is to be had."""
    raise PrometheusMissingError("none was found")


def test_without_prometheus_a_recording_is_shown_and_said_to_be_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where no Prometheus is to be had, the gateway is given the shipped recording, and a person is told so twice."""
    with contextlib.ExitStack() as parts:
        assert live_fleet(parts, tmp_path, missing, {}) is None
    upstream = recorded_fleet()
    assert upstream == Upstream("replay:demo/fleet.recording")
    told = capsys.readouterr().out
    assert "no Prometheus is to be had: none was found" in told
    assert "comes from a recording, demo/fleet.recording" in told
    assert "RECORDED     not live" in invitation(PORTS, upstream, has_key=False)


def test_a_named_folder_without_prometheus_is_an_error(tmp_path: Path) -> None:
    """Who names a folder with PROMETHEUS_HOME is told that it holds none, instead of being shown a recording."""
    with contextlib.ExitStack() as parts, pytest.raises(PrometheusMissingError, match="none was found"):
        live_fleet(parts, tmp_path, missing, {"PROMETHEUS_HOME": "/elsewhere"})
