"""Recording and replaying as operators meet them: real processes."""

import json
import signal
import subprocess
from pathlib import Path

import pytest
import zstandard

from aggregator.errors import RecordingError
from aggregator.recording.tape import Tape
from demo.recording import FIRST_SECONDS, SHIPPED
from tests.integration.process import COMMAND, ended, environment, running, until
from tests.integration.upstream import answering
from tests.server.exchange import ask
from tests.upstreams import EMPTY

PASSWORD = "hunter2-hunter2"
TOKEN = "token-token-token"
SECONDS = 20.0


def test_a_recording_is_served_as_it_was_then(tmp_path: Path) -> None:
    """A gateway on a recording is ready, shows recorded moments and ages of then, and says in its log what it does."""
    with running(tmp_path, PROMETHEUS_ADDRESS=f"replay:{SHIPPED}#speed=max") as gateway:
        until(lambda: ask(gateway.http, "/readyz").status == 200, "ready")
        shown = json.loads(ask(gateway.http, "/").body)
        until(lambda: len(gateway.events("refreshed")) > 5, "more refreshes than were recorded")
        (told,) = gateway.events("a recording is replayed")
    assert len(shown["cluster"]) == 5
    assert FIRST_SECONDS <= shown["timestamp"]["oldestTimestamp"] <= FIRST_SECONDS + 120
    assert shown["timestamp"].get("timeSinceOldest", 0) < 1
    assert (told["level"], told["refreshes"]) == ("warning", 5)


@pytest.mark.parametrize("stopped_by", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_recording_holds_what_was_recorded(tmp_path: Path, stopped_by: signal.Signals) -> None:
    """Ctrl-C, or SIGTERM, between two refreshes ends it with status 1; the first refresh can be replayed."""
    file = tmp_path / "interrupted"

    def is_recorded() -> bool:
        try:
            Tape(str(file)).close()
        except RecordingError:
            return False
        return True

    with answering(200, EMPTY, {}) as (place, _asked):
        address = {"PROMETHEUS_ADDRESS": f"http://me:{PASSWORD}@{place}", "REFRESH_INTERVAL": "100"}
        command = [*COMMAND, "record", str(file), "--refreshes", "3"]
        with subprocess.Popen(
            command, env=environment(address), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as process:
            try:
                until(is_recorded, "a whole refresh")
                process.send_signal(stopped_by)
                out, err = process.communicate(timeout=SECONDS)
            finally:
                process.kill()
    assert process.returncode == 1
    assert f"{file}: 1 of 3 refreshes, " in out
    assert err == f"stopped before all was recorded; what {file} holds can be replayed\n"
    assert ended("show", PROMETHEUS_ADDRESS=f"replay:{file}").stdout == "no clusters\n"


def test_no_secret_gets_into_a_recording(tmp_path: Path) -> None:
    """Neither what the upstream is shown nor what it repeats of that is in the file, packed or not."""
    said = json.dumps({"errorType": "bad_data", "error": f"who is me:{PASSWORD}, tenant-secret, {TOKEN}?"}).encode()
    with answering(400, said, {}) as (place, asked):
        settings = {
            "PROMETHEUS_ADDRESS": f"http://{place}",
            "PROMETHEUS_BEARER_TOKEN": TOKEN,
            "PROMETHEUS_HEADERS": "X-Scope-OrgID=tenant-secret",
        }
        with_token = ended("record", str(tmp_path / "a"), **settings)
        with_password = ended("record", str(tmp_path / "b"), PROMETHEUS_ADDRESS=f"http://me:{PASSWORD}@{place}")
    assert any(TOKEN in each for each in asked)
    assert with_token.returncode == with_password.returncode == 1
    assert "nothing was answered: query " in with_token.stderr
    for file, secrets in ((tmp_path / "a", (TOKEN, "tenant-secret")), (tmp_path / "b", (PASSWORD,))):
        packed = file.read_bytes()
        with zstandard.ZstdDecompressor().stream_reader(packed, read_across_frames=True) as reader:
            text = reader.readall()
        assert b"HTTP 400" in text or b'"status":400' in text
        assert not [secret for secret in secrets if secret.encode() in packed + text]


def test_a_damaged_recording_is_refused_at_the_start(tmp_path: Path) -> None:
    """The process ends with status 2 and one line that names the setting."""
    content = bytearray(SHIPPED.read_bytes())
    content[len(content) // 2] ^= 1
    (tmp_path / "damaged").write_bytes(content)
    done = ended(PROMETHEUS_ADDRESS=f"replay:{tmp_path / 'damaged'}")
    assert done.returncode == 2
    assert done.stderr.startswith("PROMETHEUS_ADDRESS: the recording is damaged")
    assert len(done.stderr.splitlines()) == 1
