"""The program as operators meet it: its settings, ports, log, faults of its upstream, and its end."""

import contextlib
import itertools
import json
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import grpc
import psutil
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from grpc_health.v1 import health_pb2

from aggregator import __version__, cli, settings
from aggregator.errors import PortInUseError, SettingsError
from aggregator.models.catalog import CATALOG
from aggregator.server.listen import listener
from demo import prometheus
from demo.prometheus import Moment, blocks, free_port, holding, obtain
from tests.integration import stalled, upstream
from tests.integration.load import load
from tests.integration.process import Gateway, ended, environment, running, until
from tests.integration.telemetry import fleet
from tests.server.call import answers, call, channel, over, unary
from tests.server.exchange import Answer, ask, connect, raw
from tests.server.exchange import over as over_http
from tests.server.tokens import Realm

FEW, MANY = 2, 3_000
CHECK = "/grpc.health.v1.Health/Check"
WATCH = "/grpc.health.v1.Health/Watch"
NOWHERE = "http://127.0.0.1:9"


@pytest.fixture(scope="module")
def small() -> Iterator[str]:
    """A Prometheus that holds a small fleet."""
    with holding([Moment(fleet(FEW), time.time())]) as url:
        yield url


@pytest.fixture(scope="module")
def large() -> Iterator[str]:
    """A Prometheus that holds a fleet of several megabytes."""
    with holding([Moment(fleet(MANY), time.time())]) as url:
        yield url


@pytest.fixture(scope="module")
def gateway(small: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway without KEY that is ready."""
    with running(tmp_path_factory.mktemp("gateway"), PROMETHEUS_ADDRESS=small) as started:
        until(lambda: ask(started.http, "/readyz").status == 200, "ready")
        yield started


@pytest.fixture(scope="module")
def realm() -> Realm:
    """A realm with a key of its own."""
    return Realm()


def health(opened: grpc.Channel) -> int:
    """Return what the health service says on an open channel, -1 where it says nothing."""
    reply = over(opened, CHECK)
    return health_pb2.HealthCheckResponse.FromString(reply.body).status if reply.code is grpc.StatusCode.OK else -1


def spki(key: "rsa.RSAPublicKey | ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey") -> str:
    """Return a public key as PEM."""
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


# --- settings


def test_all_bad_settings_are_told_at_once() -> None:
    """With several bad settings the exit code is 2 and each has one line that names it."""
    bad = {"HTTP_PORT": "http", "GRPC_PORT": "65536", "REFRESH_INTERVAL": "-1", "LAYOUT": "2026", "KEY": "abc"}
    done = ended(**bad, LOG_LEVEL="loud", GRPC_AUTH="maybe")
    assert (done.returncode, done.stdout) == (2, "")
    named = {line.partition(":")[0] for line in done.stderr.splitlines()}
    assert named == {*bad, "PROMETHEUS_ADDRESS", "LOG_LEVEL", "GRPC_AUTH"}
    assert len(done.stderr.splitlines()) == len(named)
    assert all("; expected: " in line for line in done.stderr.splitlines())


BAD_KEYS = {
    "no base64": "%%%not base64%%%",
    "no key": "aGVsbG8gd29ybGQ=",
    "half of a key": Realm().setting[:200],
    "1024 bits": spki(rsa.generate_private_key(65537, 1024).public_key()),  # noqa: S505 - it must be refused
    "an elliptic curve": spki(ec.generate_private_key(ec.SECP256R1()).public_key()),
    "ed25519": spki(ed25519.Ed25519PrivateKey.generate().public_key()),
}


@pytest.mark.parametrize("key", BAD_KEYS.values(), ids=BAD_KEYS.keys())
def test_a_bad_key_is_one_line(key: str) -> None:
    """A KEY that is malformed, too short or of another kind is told in one line that names KEY and repeats nothing."""
    with pytest.raises(SettingsError) as refused:
        settings.read({"PROMETHEUS_ADDRESS": NOWHERE, "KEY": key})
    (line,) = refused.value.problems
    assert re.fullmatch(r"KEY: [^\n]+; expected: an RSA public key [^\n]+", line)
    assert key.strip("-\n")[5:25] not in line


def test_a_bad_key_is_no_start() -> None:
    """With a bad KEY the process ends with 2 and that one line."""
    done = ended(PROMETHEUS_ADDRESS=NOWHERE, KEY=BAD_KEYS["1024 bits"])
    assert (done.returncode, done.stdout) == (2, "")
    assert re.fullmatch(r"KEY: is an RSA key of 1024 bits; [^\n]+\n", done.stderr)


@pytest.mark.parametrize(
    "address",
    [
        "ftp://user:sw0rdfish@host",
        "http://user:sw0rdfish@",
        "http://user:sw0rdfish@host:99999",
        "http://user:sw0rdfish@host/?x=sw0rdfish",
        "http://user:sw0rdfish@[::1",
        "http://user:[sw0rdfish]@host",
        "http://user:sw0rdfish\u2100@host",
        "sw0rdfish",
    ],
)
def test_a_bad_address_does_not_tell_the_password(address: str) -> None:
    """What is wrong with PROMETHEUS_ADDRESS is told in one line that repeats nothing of it."""
    with pytest.raises(SettingsError) as refused:
        settings.read({"PROMETHEUS_ADDRESS": address})
    (line,) = refused.value.problems
    assert re.fullmatch(r"PROMETHEUS_ADDRESS: [^\n]+", line)
    assert "sw0rdfish" not in line


def test_help_lists_every_setting() -> None:
    """--help names each setting with its default and needs none of them."""
    done = ended("--help")
    assert (done.returncode, done.stderr) == (0, "")
    for name in settings.Settings.model_fields:
        assert f"\n  {name}\n" in done.stdout
    assert "(default: 20)" in done.stdout


def test_version_is_the_packages() -> None:
    """--version prints name and version."""
    done = ended("--version")
    assert (done.returncode, done.stdout) == (0, f"aggregator {__version__}\n")


@pytest.mark.parametrize("arguments", [["--http-port=1"], ["serve"], [""]], ids=str)
def test_arguments_are_refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Settings come from the environment alone: an argument that is no command ends the process with 2."""
    with pytest.raises(SystemExit) as ending:
        cli.parser().parse_args(arguments)
    assert ending.value.code == 2
    told = capsys.readouterr().err
    assert "unrecognized arguments" in told or "invalid choice" in told


@pytest.mark.parametrize(
    ("environ", "http"),
    [
        ({}, 8080),
        ({"HTTP_PORT": ""}, 8080),
        ({"GRPC_PORT": "8181"}, None),
        ({"AGGREGATOR_PORT": "9000"}, 9000),
        ({"AGGREGATOR_PORT": "9000", "HTTP_PORT": "9001"}, 9001),
        ({"AGGREGATOR_PORT": "9000", "GRPC_PORT": "8181"}, 9000),
    ],
    ids=str,
)
def test_the_port_of_http(environ: dict[str, str], http: int | None) -> None:
    """HTTP_PORT decides, else AGGREGATOR_PORT; without any port it is 8080, with GRPC_PORT alone there is no HTTP."""
    assert settings.read({"PROMETHEUS_ADDRESS": NOWHERE} | environ).http_port == http


# --- ports


def test_only_grpc_is_only_grpc(tmp_path: Path) -> None:
    """With GRPC_PORT alone nothing else listens."""
    with running(tmp_path, PROMETHEUS_ADDRESS=NOWHERE, HTTP_PORT="", GRPC_PORT="0") as only:
        port = only.grpc
        until(lambda: call(port).code is grpc.StatusCode.UNAVAILABLE, "gRPC answers")
        connections = psutil.Process(only.process.pid).net_connections()
        assert {one.laddr.port for one in connections if one.status == psutil.CONN_LISTEN} == {port}


def test_the_port_of_the_published_chart(tmp_path: Path) -> None:
    """AGGREGATOR_PORT stands in for HTTP_PORT, and no gRPC listens."""
    port = free_port()
    chart = {"HTTP_PORT": "", "GRPC_PORT": "", "AGGREGATOR_PORT": str(port)}
    with running(tmp_path, PROMETHEUS_ADDRESS=NOWHERE, **chart) as started:
        assert started.http == port
        assert ask(port, "/healthz").status == 200
        assert [line["server"] for line in started.events("listening")] == ["http"]


@pytest.mark.parametrize("setting", ["HTTP_PORT", "GRPC_PORT"])
def test_a_taken_port_is_one_line(gateway: Gateway, setting: str) -> None:
    """On a port of another gateway the process ends with 1 and one line with setting and port; the other goes on."""
    port = str(gateway.http if setting == "HTTP_PORT" else gateway.grpc)
    done = ended(PROMETHEUS_ADDRESS=NOWHERE, **{"HTTP_PORT": "0", "GRPC_PORT": "0", setting: port})
    assert done.returncode == 1
    plain = [line for line in done.stderr.splitlines() if not line.startswith("{")]
    assert plain == [f"{setting}: cannot listen on 127.0.0.1:{port}: the port is in use"]
    assert ask(gateway.http).status == 200
    assert call(gateway.grpc).code is grpc.StatusCode.OK


@pytest.mark.parametrize("host", ["192.0.2.1", "x" * 70, ".."])
def test_a_host_that_cannot_be_had_is_one_line(host: str) -> None:
    """A host that is not ours, or no name at all, is told in one line with setting, host and port."""
    with pytest.raises(PortInUseError, match=rf"^HTTP_\w+: cannot listen on {re.escape(host)}:0: [^\n]+$"):
        listener("HTTP", host, 0)


# --- answers of the real process


def test_the_real_process_serves_both(gateway: Gateway) -> None:
    """HTTP and gRPC of one process show the same nodes of a real Prometheus, complete."""
    answer, reply = ask(gateway.http), call(gateway.grpc)
    assert answer.headers["X-Topology-Complete"] == reply.trailing["x-topology-complete"] == "true"
    nodes = answer.json()["cluster"]["edge-a"]["node"]
    assert sorted(nodes) == sorted(node.id for node in reply.model.nodes) == ["node-0", "node-1"]


def test_the_real_process_hides_its_software(gateway: Gateway) -> None:
    """No header names the server, and X-Forwarded-For changes nothing."""
    answer = ask(gateway.http, headers=[("X-Forwarded-For", "garbage, 1.2.3.4"), ("X-Forwarded-Proto", "https")])
    assert answer.status == 200
    assert answer.headers["Server"] is None


def test_an_endless_header_is_cut_off(gateway: Gateway) -> None:
    """A header that does not end is refused, or its connection closed, long before it has 4 MB."""
    with socket.create_connection(("127.0.0.1", gateway.http), timeout=3) as connection:
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Long: ")
        assert _is_cut_off(connection)


def _is_cut_off(connection: socket.socket) -> bool:
    try:
        connection.sendall(b"x" * 4_000_000)
        return connection.recv(12) in (b"", b"HTTP/1.1 400", b"HTTP/1.1 431")
    except ConnectionError:
        return True
    except TimeoutError:
        return False


def test_many_bad_requests_leave_it_well(gateway: Gateway) -> None:
    """After a hundred broken requests and connections the gateway serves as before."""
    for number in range(100):
        with socket.create_connection(("127.0.0.1", gateway.http), timeout=5) as connection:
            connection.sendall([b"\x00\x01", b"GET / HT", b"GET / HTTP/1.1\r\n\r\n", b"\r\n" * 50][number % 4])
    assert ask(gateway.http).status == 200
    assert raw(gateway.http, b"GET /\xff HTTP/1.1\r\n\r\n").startswith(b"HTTP/1.1 400 ")
    assert gateway.process.poll() is None


def test_the_client_is_a_program(gateway: Gateway) -> None:
    """The small ETIM client prints the nodes of a real gateway, and one line where there is no gateway."""
    client = [sys.executable, "-m", "aggregator.etim_client"]
    done = subprocess.run(
        [*client, f"127.0.0.1:{gateway.grpc}"],
        env=environment({}),
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-1].startswith("2 nodes, ")
    done = subprocess.run(
        [*client, f"127.0.0.1:{free_port()}"],
        env=environment({}),
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert done.returncode == 1
    assert "UNAVAILABLE" in done.stderr


# --- faults of the upstream


def test_it_waits_for_a_prometheus_that_is_not_there_yet(tmp_path: Path) -> None:
    """With Prometheus down at the start the gateway lives and says so everywhere, and is ready once it appears."""
    port = free_port()
    with running(tmp_path, PROMETHEUS_ADDRESS=f"http://127.0.0.1:{port}/") as started:
        reason = "no topology yet: query oldest_sample: connection refused"
        until(lambda: ask(started.http).json().get("error") == reason, "the failure is told")
        assert ask(started.http, "/healthz").status == 200
        ready = ask(started.http, "/readyz")
        assert (ready.status, ready.json()) == (503, {"error": reason})
        answer = ask(started.http, "/aggregator")
        assert (answer.status, answer.json()) == (503, {"error": reason})
        assert int(answer.headers["Retry-After"]) >= 1
        reply = call(started.grpc)
        assert (reply.code, reply.details) == (grpc.StatusCode.UNAVAILABLE, reason)
        with channel(started.grpc) as opened:
            assert health(opened) == health_pb2.HealthCheckResponse.NOT_SERVING
            blocks(obtain(), tmp_path / "data", [Moment(fleet(FEW), time.time())])
            with prometheus.running(tmp_path, port=port):
                until(lambda: ask(started.http, "/readyz").status == 200, "ready after Prometheus appeared")
                assert ask(started.http).json()["cluster"]["edge-a"]["node"].keys() == {"node-0", "node-1"}
                assert call(started.grpc).code is grpc.StatusCode.OK
                until(lambda: health(opened) == health_pb2.HealthCheckResponse.SERVING, "healthy")


def test_an_outage_under_load(tmp_path: Path) -> None:
    """While Prometheus is away all get the last topology, marked, until MAX_STALE, then errors, and it recovers."""
    port, max_stale = free_port(), 3
    blocks(obtain(), tmp_path / "data", [Moment(fleet(FEW), time.time())])
    with contextlib.ExitStack() as running_prometheus:
        running_prometheus.enter_context(prometheus.running(tmp_path, port=port))
        with running(tmp_path, PROMETHEUS_ADDRESS=f"http://127.0.0.1:{port}", MAX_STALE=str(max_stale)) as started:
            until(lambda: ask(started.http, "/readyz").status == 200, "ready")
            with load(started, 4, 2) as clients:
                until(lambda: clients.sees("OK", complete=True), "both complete")
                stopped_at = time.monotonic()
                running_prometheus.close()
                until(lambda: clients.sees("OK", complete=False), "both marked", max_stale)
                until(lambda: clients.sees("UNAVAILABLE", complete=False), "both unavailable", max_stale + 3)
                with prometheus.running(tmp_path, port=port):
                    back_at = time.monotonic()
                    until(lambda: clients.sees("OK", complete=True), "both complete again")
                    assert ask(started.http, "/readyz").status == 200
            assert started.process.poll() is None
    told = sorted(clients.told, key=lambda one: one.at)
    assert {one.outcome for one in told} == {"OK", "UNAVAILABLE"}
    for protocol in ("http", "grpc"):
        mine = [one for one in told if one.by == protocol]
        assert all(one.complete for one in mine if one.at < stopped_at)
        refused = [one.at for one in mine if one.outcome == "UNAVAILABLE"]
        # The last refresh before the end may have begun a little earlier than the end.
        assert refused[0] - stopped_at > max_stale - 1.5
        # The last refresh may have been half answered: then older answers stand in, and the age is theirs.
        assert max(one.age for one in mine if one.outcome == "OK") in (max_stale - 1, max_stale)
        between = [one.outcome for one in mine if refused[0] <= one.at < back_at]
        assert set(between) == {"UNAVAILABLE"}
    assert started.events("refresh failed")


@pytest.mark.parametrize(
    ("status", "expected"), [(401, "HTTP 401"), (200, "<html>")], ids=["unauthorized", "a page for people"]
)
def test_an_upstream_that_does_not_let_in(tmp_path: Path, status: int, expected: str) -> None:
    """A refusing or wrong upstream is told in the log and in the answer, without the credentials that it was sent."""
    with (
        upstream.answering(status, b"<html>please log in</html>", {}) as (address, asked),
        running(tmp_path, PROMETHEUS_ADDRESS=f"http://scraper:sw0rdfish@{address}/prom/", LOG_LEVEL="debug") as started,
    ):
        reason = until(lambda: started.events("refresh failed"), "the failure is logged")[0]["reason"]
        answer = ask(started.http)
    assert answer.status == 503
    assert reason.startswith("query oldest_sample: ")
    assert expected in reason
    assert answer.json() == {"error": f"no topology yet: {reason}"}
    assert all(one.startswith(("/prom/api/v1/query?", "/prom/api/v1/stores ")) for one in asked)
    assert asked[0].endswith("Basic c2NyYXBlcjpzdzByZGZpc2g=")
    assert_no_password(started.log, answer)


def assert_no_password(log: str, answer: Answer) -> None:
    """Fail where the log or an answer holds the password, be it as sent or as written."""
    for text in (log, answer.body.decode(), str(answer.headers)):
        assert "sw0rdfish" not in text
        assert "c2NyYXBlcjpzdzByZGZpc2g" not in text


def test_a_redirect_to_another_host_gets_no_password(tmp_path: Path) -> None:
    """A redirect is told in the log; the host that it leads to never sees the credentials."""
    with contextlib.ExitStack() as stack:
        elsewhere, seen = stack.enter_context(upstream.answering(403, b"", {}))
        # Another name for the same machine is another host.
        location = {"Location": f"http://localhost:{elsewhere.partition(':')[2]}/login"}
        address, asked = stack.enter_context(upstream.answering(302, b"", location))
        started = stack.enter_context(running(tmp_path, PROMETHEUS_ADDRESS=f"http://scraper:sw0rdfish@{address}"))
        until(lambda: started.events("refresh failed"), "the failure is logged")
        answer = ask(started.http)
    assert asked
    assert all(one.endswith(" None") for one in seen)
    assert_no_password(started.log, answer)


def test_a_redirect_is_not_a_storm(tmp_path: Path) -> None:
    """An upstream that redirects for ever is asked at most twice for each query and who it is; the log tells of it."""
    with (
        upstream.answering(302, b"", {"Location": "/login"}) as (address, asked),
        running(tmp_path, PROMETHEUS_ADDRESS=f"http://{address}", REFRESH_INTERVAL="60") as started,
    ):
        failed = until(lambda: started.events("refresh failed"), "the failure is logged", 20)
    assert "redirect" in failed[0]["reason"].lower()
    assert len(asked) <= 2 * (len(CATALOG) + 1)


def test_a_password_of_any_letters_works(tmp_path: Path) -> None:
    """A password with letters beyond Latin-1 is sent as UTF-8, as RFC 7617 has it."""
    with (
        upstream.answering(401, b"", {}) as (address, asked),
        running(tmp_path, PROMETHEUS_ADDRESS=f"http://u:p%E2%82%AC@{address}") as started,
    ):
        failed = until(lambda: started.events("refresh failed") or started.events("refresh broke"), "a failure")
    assert failed[0]["event"] == "refresh failed"
    assert asked[0].endswith("Basic dTpw4oKs")


# --- the log


def test_the_log_tells_no_secret(small: str, realm: Realm, tmp_path: Path) -> None:
    """A whole run at debug, with good and bad tokens, logs no secret and only JSON."""
    url = small.replace("//", "//scraper:sw0rdfish@")
    with running(
        tmp_path, PROMETHEUS_ADDRESS=url, KEY=realm.setting, LOG_LEVEL="debug", REFRESH_INTERVAL="60"
    ) as started:
        good, bad = realm.token(), Realm().token()
        bearing = [("Authorization", f"Bearer {good}")]
        until(lambda: ask(started.http, headers=bearing).status == 200, "served")
        for value in (bad, f"{good}.x", "eyJ.eyJ.eyJ", f"{good} {good}"):
            assert ask(started.http, headers=[("Authorization", f"Bearer {value}")]).status == 401
            assert call(started.grpc, metadata=[("authorization", f"Bearer {value}")]).code.name == "UNAUTHENTICATED"
        assert ask(started.http, f"/?access_token={good}").status == 401
        raw(started.http, f"GET /\xff{good} HTTP/1.1\r\n\r\n".encode("latin-1"))
        raw(started.http, f"GET /{good} HTTP/1.1\r\nUpgrade: websocket\r\nConnection: upgrade, close\r\n\r\n".encode())
        assert call(started.grpc, metadata=[("authorization", f"Bearer {good}")]).code is grpc.StatusCode.OK
        assert call(started.grpc, "/x.Y/Z", [("authorization", f"Bearer {good}")]).code.name == "UNIMPLEMENTED"
        started.process.send_signal(signal.SIGTERM)
        assert started.exit_code(10) == 0
    for secret in ("eyJ", realm.setting[40:80], "BEGIN", "sw0rdfish", "c2NyYXBlcjpzdzByZGZpc2g", "claims.example.org"):
        assert secret not in started.log
    assert all({"event", "level", "timestamp"} <= line.keys() for line in started.lines())
    assert {line["level"] for line in started.lines()} <= {"debug", "info", "warning"}
    assert started.events("token refused")


def test_an_open_grpc_is_warned_of(small: str, realm: Realm, tmp_path: Path) -> None:
    """GRPC_AUTH=off with KEY opens gRPC alone, and the log warns of it."""
    with running(tmp_path, PROMETHEUS_ADDRESS=small, KEY=realm.pem.decode(), GRPC_AUTH="off") as started:
        until(lambda: call(started.grpc).code is grpc.StatusCode.OK, "gRPC answers without a token")
        assert ask(started.http).status == 401
        warnings = [line["event"] for line in started.lines() if line["level"] == "warning"]
    assert warnings == ["gRPC is open to callers without tokens, as GRPC_AUTH=off says"]


def test_the_log_can_be_text(small: str, tmp_path: Path) -> None:
    """LOG_FORMAT=text writes lines for people, without colours where there is no terminal."""
    with running(tmp_path, PROMETHEUS_ADDRESS=small, LOG_FORMAT="text") as started:
        until(lambda: "refreshed" in started.log, "a refresh is logged")
        assert "\x1b" not in started.log
        with pytest.raises(json.JSONDecodeError):
            json.loads(started.log.splitlines()[0])


# --- the end


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
def test_it_ends_in_order(large: str, tmp_path: Path, number: signal.Signals) -> None:
    """A signal turns readiness first; answers that are under way are finished; then the process exits with 0."""
    with contextlib.ExitStack() as stack:
        started = stack.enter_context(running(tmp_path, PROMETHEUS_ADDRESS=large, GRACE="15", REFRESH_INTERVAL="60"))
        port = started.http
        until(lambda: ask(port, "/readyz").status == 200, "ready", 20)
        idle = stack.enter_context(contextlib.closing(connect(port)))
        assert over_http(idle, "/readyz").status == 200
        healthy = stack.enter_context(channel(started.grpc))
        until(lambda: health(healthy) == health_pb2.HealthCheckResponse.SERVING, "healthy")
        reader = stack.enter_context(stalled.connection(port))
        reader.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        first = reader.recv(1024)
        relay = stack.enter_context(stalled.relay(started.grpc))
        slow = stack.enter_context(channel(relay.port))
        grpc.channel_ready_future(slow).result(10)
        relay.held.set()
        calling = unary(slow).future(b"", timeout=30)
        until(relay.waiting.is_set, "an answer to the call waits in the relay")

        signalled_at = time.monotonic()
        started.process.send_signal(number)
        until(lambda: over_http(idle, "/readyz").status == 503, "not ready", 0.6)
        assert over_http(idle, "/readyz").json() == {"error": "shutting down"}
        until(lambda: health(healthy) == health_pb2.HealthCheckResponse.NOT_SERVING, "not healthy", 0.6)
        until(lambda: _is_closed(port), "HTTP takes no more connections")
        assert started.process.poll() is None
        assert not calling.done()

        head, _, body = _read_all(reader, first).partition(b"\r\n\r\n")
        assert len(json.loads(body)["cluster"]["edge-a"]["node"]) == MANY
        assert f"content-length: {len(body)}".encode() in head
        relay.held.clear()
        assert calling.result(15).count(b"x86_64") == MANY
        assert started.exit_code(10) == 0
        assert time.monotonic() - signalled_at < 15
    assert [line["event"] for line in started.lines() if line["event"].startswith("stop")] == ["stopping", "stopped"]
    assert "Traceback" not in started.log


def _is_closed(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except ConnectionRefusedError:
        return True
    return False


def _read_all(connection: socket.socket, first: bytes) -> bytes:
    chunks = itertools.chain([first], iter(lambda: connection.recv(1 << 20), b""))
    return b"".join(chunks)


def test_callers_who_do_not_go_do_not_hold_it_up(large: str, tmp_path: Path) -> None:
    """A health watcher and a reader who reads nothing are cut off when the grace is over; the exit code is 0."""
    grace = 2.0
    with contextlib.ExitStack() as stack:
        started = stack.enter_context(
            running(tmp_path, PROMETHEUS_ADDRESS=large, GRACE=str(grace), REFRESH_INTERVAL="60")
        )
        port = started.http
        until(lambda: ask(port, "/readyz").status == 200, "ready", 20)
        reader = stack.enter_context(stalled.connection(port))
        reader.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert reader.recv(100)
        opened = stack.enter_context(channel(started.grpc))
        watching = answers(opened, WATCH)
        assert next(iter(watching))
        signalled_at = time.monotonic()
        started.process.send_signal(signal.SIGTERM)
        assert started.exit_code(3 * grace + 5) == 0
        assert time.monotonic() - signalled_at < grace + 1.5
        watching.cancel()


def test_a_silent_upstream_does_not_hold_it_up(tmp_path: Path) -> None:
    """SIGTERM while queries wait for an upstream that never answers ends the process within the grace."""
    with upstream.silent() as (address, _listener):
        patient = {"REFRESH_TIMEOUT": "20", "QUERY_TIMEOUT": "20", "GRACE": "2"}
        with running(tmp_path, PROMETHEUS_ADDRESS=f"http://{address}", **patient) as started:
            assert ask(started.http).json() == {"error": "no topology yet: the first refresh is not finished"}
            asking = psutil.Process(started.process.pid).net_connections
            until(lambda: sum(one.raddr == tuple(_host_port(address)) for one in asking()) >= 8, "eight queries wait")
            started.process.send_signal(signal.SIGTERM)
            assert started.exit_code(5) == 0


def _host_port(address: str) -> tuple[str, int]:
    host, _, port = address.partition(":")
    return host, int(port)


def test_a_second_signal_changes_nothing(small: str, tmp_path: Path) -> None:
    """Whoever presses Ctrl-C twice still gets an orderly end with 0."""
    with running(tmp_path, PROMETHEUS_ADDRESS=small, REFRESH_INTERVAL="60") as started:
        until(lambda: ask(started.http, "/readyz").status == 200, "ready")
        for number in (signal.SIGINT, signal.SIGINT, signal.SIGTERM):
            started.process.send_signal(number)
        assert started.exit_code(10) == 0
        assert "Traceback" not in started.log
