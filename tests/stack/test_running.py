"""The parts of `python -m demo.stack` that need no other program: ports, mails, load and output."""

import itertools
import queue
import smtplib
import socket
import threading
from dataclasses import replace
from email.message import EmailMessage
from pathlib import Path
from unittest.mock import patch

import pytest

from demo.debian_packages import PackageError
from demo.example_service.load import generate_dni_requests, generate_entry_requests, generate_flight_requests
from demo.gateway import PortError
from demo.prometheus import find_free_port
from demo.stack.__main__ import (
    create_run_folder,
    find_missing_targets,
    find_pages,
    format_instructions,
    hold_start_lock,
)
from demo.stack.mail import run_mail_sink
from demo.stack.packages import ServerPrograms
from demo.stack.ports import PUBLISHED_PORTS, StackPorts, select_stack_ports
from tests.stack.service import RunningService
from tests.support.scripted_server import (
    ReceivedRequest,
    ResponseScript,
    ScriptedServer,
    build_http_response,
    run_scripted_server,
)


def test_all_ports_differ() -> None:
    """Each part gets a port of its own, and a setting chooses that of a part that people open."""
    port = find_free_port()
    ports = select_stack_ports({"PROMETHEUS_PORT": str(port)})
    assert ports.prometheus == port
    numbers = [getattr(ports, name) for name in StackPorts.__dataclass_fields__]
    assert len(set(numbers)) == len(numbers)


@pytest.mark.parametrize("setting", [setting for setting, _ in PUBLISHED_PORTS.values()])
def test_a_port_in_use_is_replaced_unless_it_is_set(setting: str) -> None:
    """Without a setting another port is used; a port that is set and in use is an error that names the setting."""
    in_use = pytest.raises(PortError, match=f"is in use: choose another one with {setting}=")
    with socket.create_server(("127.0.0.1", 0)) as taken, in_use:
        select_stack_ports({setting: str(taken.getsockname()[1])})
    with pytest.raises(PortError, match=f"{setting} must be a port number"):
        select_stack_ports({setting: "x"})


def test_no_two_parts_share_a_port() -> None:
    """A part does not get its usual port if a setting gives it to another part; two settings must differ."""
    port = find_free_port()
    with patch.dict(PUBLISHED_PORTS, alertmanager=("ALERTMANAGER_PORT", port)):
        ports = select_stack_ports({"APACHE_PORT": str(port)})
    assert ports.apache == port != ports.alertmanager
    with pytest.raises(PortError, match=f"HTTP_PORT and GRPC_PORT must differ, got {port} for both"):
        select_stack_ports({"HTTP_PORT": str(port), "GRPC_PORT": str(port)})


def test_stacks_start_one_after_the_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second stack says that it waits, and selects its ports when the first one has started."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    events: queue.Queue[str] = queue.Queue()

    def start_second() -> None:
        with hold_start_lock(events.put):
            events.put("second")

    second = threading.Thread(target=start_second)
    with hold_start_lock(events.put):
        second.start()
        assert events.get(timeout=10) == "waiting until another stack has started"
        events.put("first")
    second.join()
    assert [events.get_nowait(), events.get_nowait()] == ["first", "second"]


def test_folders_of_killed_stacks_are_removed(tmp_path: Path) -> None:
    """A new stack removes the folder of one that was killed, and not that of one that runs."""
    killed = tmp_path / "aggregator-stack-killed"
    killed.mkdir()
    (killed / "lock").touch()
    (killed / "data").write_text("x")
    with create_run_folder(tmp_path) as running, create_run_folder(tmp_path) as second:
        assert set(tmp_path.iterdir()) == {running, second}
    assert list(tmp_path.iterdir()) == []


def test_programs_that_cannot_be_copied_are_one_short_error(tmp_path: Path) -> None:
    """With a full disk, nearly every file fails; the error has the reason of one."""
    programs = tmp_path / "programs"
    programs.mkdir()
    for number in range(100):
        # The paths of the copies are longer than Linux allows.
        (programs / f"{number:0250}").touch()
    folder = tmp_path.joinpath(*["x" * 200] * ((4050 - len(str(tmp_path))) // 201))
    with pytest.raises(
        PackageError, match=r"copy PostgreSQL and Apache for the user nobody: .*File name too long"
    ) as error:
        ServerPrograms(programs).copy_for("nobody", folder)
    assert str(error.value).count("too long") == 1


def test_mails_are_shown_and_stored(tmp_path: Path) -> None:
    """The sink reports recipients, subject and text without control characters, and stores the whole mail."""
    message = EmailMessage()
    message["From"], message["To"] = "alerts@stack.example", "operations@stack.example"
    message["Subject"] = "[WARNING] ApiSlow"
    message.set_content("check_flight is slow\x1b[2J\nsecond line")
    shown: list[str] = []
    port = find_free_port()
    with run_mail_sink(tmp_path, port, shown.append), smtplib.SMTP("127.0.0.1", port) as client:
        client.send_message(message)
    (text,) = shown
    assert text.splitlines() == [
        "",
        "  mail to operations@stack.example: [WARNING] ApiSlow",
        "  check_flight is slow[2J",
        "  second line",
        f"  the whole mail: {tmp_path / '0001.eml'}",
    ]
    assert b"Subject: [WARNING] ApiSlow" in (tmp_path / "0001.eml").read_bytes()


def test_the_load_uses_every_endpoint(service: RunningService) -> None:
    """A minute of load is answered without errors of the server, and some of it is not found or stored."""
    statuses = {}
    for name, stream in (
        ("dni", generate_dni_requests()),
        ("flights", generate_flight_requests()),
        ("immigration", generate_entry_requests(10**12)),
    ):
        requests = itertools.islice(stream, 11)
        statuses[name] = [
            service.request(one.method, one.path, one.body.encode() if one.body else None)[0] for one in requests
        ]
    assert statuses == {"dni": [404, *[200] * 9, 404], "flights": [404, *[200] * 9, 404], "immigration": [201] * 11}


def test_a_silent_prometheus_has_no_targets_up() -> None:
    """Without an answer, the targets count as missing."""
    assert find_missing_targets(f"http://127.0.0.1:{find_free_port()}") == ["Prometheus does not answer"]


def answer_with(*paths: str) -> ResponseScript:
    """Return a script that has some pages only."""

    def answer(connection: socket.socket, request: ReceivedRequest, _server: ScriptedServer) -> None:
        connection.sendall(build_http_response(b"", "200 OK" if request.path in paths else "404 Not Found"))

    return answer


@pytest.mark.parametrize(
    ("paths", "prometheus", "alertmanager"),
    [
        (["/", "/alerts"], "/alerts", "/"),
        (["/classic/alerts"], "/classic/alerts", "/api/v2/alerts (this package has no web pages"),
        ([], "/api/v1/alerts (this package has no web pages", "/api/v2/alerts (this package has no web pages"),
    ],
)
def test_every_page_that_is_named_exists(paths: list[str], prometheus: str, alertmanager: str) -> None:
    """Packages without the web interface of Prometheus or Alertmanager get the URL of the API instead."""
    with run_scripted_server(answer_with(*paths)) as server:
        pages = find_pages(replace(select_stack_ports({}), prometheus=server.port, alertmanager=server.port))
    assert pages.prometheus.startswith(f"http://localhost:{server.port}{prometheus}")
    assert pages.alertmanager.startswith(f"http://localhost:{server.port}{alertmanager}")


def test_the_instructions_name_ports_and_mails() -> None:
    """The output has an address for everything that people open, and where mails go."""
    ports = select_stack_ports({})
    text = format_instructions(ports, find_pages(ports), "shown here")
    for name in PUBLISHED_PORTS:
        assert f"localhost:{getattr(ports, name)}" in text
    assert "mails         shown here" in text
