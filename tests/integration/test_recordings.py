"""Recording and replaying with real processes."""

import json
import signal
import subprocess
from pathlib import Path

import pytest
import zstandard

from aggregator.errors import RecordingError
from aggregator.querier.recording.replay import RecordingReader
from demo.recording import FIRST_REFRESH_SECONDS, SHIPPED_RECORDING
from tests.integration.gateway_process import (
    GATEWAY_COMMAND,
    build_environment,
    run_gateway,
    run_to_completion,
    wait_until,
)
from tests.integration.misbehaving_upstreams import run_fixed_upstream
from tests.support.fake_upstream import EMPTY_RESPONSE
from tests.support.http_client import send_request

PASSWORD = "hunter2-hunter2"
TOKEN = "token-token-token"
STEP_TIMEOUT_SECONDS = 20.0


def test_a_recording_is_replayed(tmp_path: Path) -> None:
    """A gateway that replays a recording is ready, serves recorded timestamps and ages, and logs a warning."""
    with run_gateway(tmp_path, PROMETHEUS_ADDRESS=f"replay:{SHIPPED_RECORDING}#speed=max") as gateway:
        wait_until(lambda: send_request(gateway.http_port, "/readyz").status == 200, "ready")
        document = json.loads(send_request(gateway.http_port, "/").body)
        wait_until(lambda: len(gateway.find_events("refresh succeeded")) > 5, "more refreshes than were recorded")
        (warning,) = gateway.find_events("replaying recording")
    assert len(document["cluster"]) == 5
    assert FIRST_REFRESH_SECONDS <= document["timestamp"]["oldestTimestamp"] <= FIRST_REFRESH_SECONDS + 120
    assert document["timestamp"].get("timeSinceOldest", 0) < 1
    assert (warning["level"], warning["refreshes"]) == ("warning", 5)


@pytest.mark.parametrize("stop_signal", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_recording_can_be_replayed(tmp_path: Path, stop_signal: signal.Signals) -> None:
    """SIGINT or SIGTERM between two refreshes ends the command with 1; the first refresh can be replayed."""
    file = tmp_path / "interrupted"

    def is_recorded() -> bool:
        try:
            RecordingReader(str(file)).close()
        except RecordingError:
            return False
        return True

    with run_fixed_upstream(200, EMPTY_RESPONSE, {}) as (upstream_address, _requests):
        address = {"PROMETHEUS_ADDRESS": f"http://me:{PASSWORD}@{upstream_address}", "REFRESH_INTERVAL": "100"}
        command = [*GATEWAY_COMMAND, "record", str(file), "--refreshes", "3"]
        with subprocess.Popen(
            command, env=build_environment(address), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as process:
            try:
                wait_until(is_recorded, "a complete refresh")
                process.send_signal(stop_signal)
                out, err = process.communicate(timeout=STEP_TIMEOUT_SECONDS)
            finally:
                process.kill()
    assert process.returncode == 1
    assert f"{file}: 1 of 3 refreshes, " in out
    assert err == f"stopped early; {file} can be replayed as far as it was written\n"
    assert run_to_completion("show", PROMETHEUS_ADDRESS=f"replay:{file}").stdout.startswith("no clusters\n")


def test_recordings_contain_no_credentials(tmp_path: Path) -> None:
    """Credentials, even if the upstream reflects them, are not in the file, neither compressed nor decompressed."""
    body = json.dumps({"errorType": "bad_data", "error": f"who is me:{PASSWORD}, tenant-secret, {TOKEN}?"}).encode()
    with run_fixed_upstream(400, body, {}) as (upstream_address, requests):
        settings = {
            "PROMETHEUS_ADDRESS": f"http://{upstream_address}",
            "PROMETHEUS_BEARER_TOKEN": TOKEN,
            "PROMETHEUS_HEADERS": "X-Scope-OrgID=tenant-secret",
        }
        with_token = run_to_completion("record", str(tmp_path / "a"), **settings)
        with_password = run_to_completion(
            "record", str(tmp_path / "b"), PROMETHEUS_ADDRESS=f"http://me:{PASSWORD}@{upstream_address}"
        )
    assert any(TOKEN in request for request in requests)
    assert with_token.returncode == with_password.returncode == 1
    assert "all queries failed: query " in with_token.stderr
    for file, secrets in ((tmp_path / "a", (TOKEN, "tenant-secret")), (tmp_path / "b", (PASSWORD,))):
        compressed = file.read_bytes()
        with zstandard.ZstdDecompressor().stream_reader(compressed, read_across_frames=True) as reader:
            text = reader.readall()
        assert b"HTTP 400" in text or b'"status":400' in text
        assert not [secret for secret in secrets if secret.encode() in compressed + text]


def test_a_damaged_recording_is_rejected_at_startup(tmp_path: Path) -> None:
    """The gateway exits with 2 and one line that names the setting."""
    content = bytearray(SHIPPED_RECORDING.read_bytes())
    content[len(content) // 2] ^= 1
    (tmp_path / "damaged").write_bytes(content)
    completed = run_to_completion(PROMETHEUS_ADDRESS=f"replay:{tmp_path / 'damaged'}")
    assert completed.returncode == 2
    assert completed.stderr.startswith(f"PROMETHEUS_ADDRESS: the recording {tmp_path / 'damaged'} is damaged")
    assert len(completed.stderr.splitlines()) == 1
