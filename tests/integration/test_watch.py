"""`aggregator watch` and `aggregator show --watch` with a running gateway, as a person uses them."""

import json
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from aggregator.cli.watch.stream import ReceivedEvent
from aggregator.cli.watch.topology_copy import KINDS, TopologyCopy
from demo.prometheus import find_free_port
from demo.recording import SHIPPED_RECORDING
from tests.integration.gateway_process import GATEWAY_COMMAND, build_environment, run_gateway, wait_until
from tests.support.http_client import send_request

# Every refresh of the recording, one after the other, again and again.
REPLAY = f"replay:{SHIPPED_RECORDING}#speed=max"
EXIT_TIMEOUT_SECONDS = 20.0

pytestmark = pytest.mark.concurrent


@contextmanager
def run_command(*arguments: str) -> Iterator["subprocess.Popen[str]"]:
    """Run a command while the block runs."""
    command = [*GATEWAY_COMMAND, *arguments]
    with subprocess.Popen(command, env=build_environment({}), stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def read_until(process: "subprocess.Popen[str]", text: str) -> str:
    """Return the first line of the output that contains a text."""
    assert process.stdout is not None
    return next(line for line in process.stdout if text in line)


def wait_until_ready(port: int) -> None:
    """Wait until the gateway has a topology."""
    wait_until(lambda: send_request(port, "/readyz").status == 200, "ready")


def test_changes_are_printed_until_ctrl_c(tmp_path: Path) -> None:
    """The command prints changed, removed and added nodes of the recording, and ends with 130 after Ctrl-C."""
    with run_gateway(tmp_path, PROMETHEUS_ADDRESS=REPLAY) as gateway:
        wait_until_ready(gateway.http_port)
        with run_command("watch", "--url", f"http://127.0.0.1:{gateway.http_port}", "--structure") as process:
            assert " = 5 clusters, 10 nodes, " in read_until(process, " = ")
            assert "icos-" in read_until(process, " ~ node ")
            read_until(process, " - pod ")
            read_until(process, " + pod ")
            process.send_signal(signal.SIGINT)
            assert process.wait(EXIT_TIMEOUT_SECONDS) == 130


def test_a_restarted_gateway_is_watched_again(tmp_path: Path) -> None:
    """While the gateway restarts, the command waits; then its copy is what the new gateway shows."""
    port = find_free_port()
    settings = {"PROMETHEUS_ADDRESS": f"replay:{SHIPPED_RECORDING}", "REFRESH_INTERVAL": "200", "HTTP_PORT": str(port)}
    copy = TopologyCopy()

    def apply_until(process: "subprocess.Popen[str]", name: str) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            data = json.loads(line)
            event = ReceivedEvent(data.pop("event"), data)
            copy.apply(event)
            if event.name == name:
                return
        raise AssertionError(f"no event {name}")

    with run_gateway(tmp_path, **settings) as gateway:
        wait_until_ready(gateway.http_port)
        with run_command("watch", "--url", f"http://127.0.0.1:{port}", "--json") as process:
            apply_until(process, "snapshot")
            gateway.process.kill()
            gateway.process.wait()
            apply_until(process, "disconnect")
            with run_gateway(tmp_path, **settings) as restarted:
                wait_until_ready(restarted.http_port)
                # The new process does not know the version of the old one, unless its topology is the same.
                apply_until(process, "completeness")
                shown = {kind: send_request(port, f"/api/v1/{kind}").json()[kind] for kind in KINDS}
    assert {kind: sorted(copy.objects[kind]) for kind in KINDS} == {
        kind: sorted((each.get("cluster", ""), each["id"]) for each in shown[kind]) for kind in KINDS
    }


def test_the_tree_is_drawn_again_when_something_changes(tmp_path: Path) -> None:
    """`show --watch` draws the tree of the snapshot, and again after changes."""
    with run_gateway(tmp_path, PROMETHEUS_ADDRESS=REPLAY) as gateway:
        wait_until_ready(gateway.http_port)
        url = f"http://127.0.0.1:{gateway.http_port}"
        with run_command("show", "--url", url, "--watch", "1", "--depth", "2") as process:
            first = read_until(process, f", from {url} at ")
            assert first.startswith("5 clusters, 10 nodes, ")
            # Drawn again with the same totals if only the reasons for missing data change.
            while read_until(process, f", from {url} at ") == first:
                pass
