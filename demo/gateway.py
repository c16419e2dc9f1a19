"""The gateway as the demo runs it: a process of its own, with the caller's settings and our addresses."""

import contextlib
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from demo.children import Child
from demo.ports import Ports
from demo.prometheus import stop

LOOPBACK = "127.0.0.1"
COMMAND = (sys.executable, "-m", "aggregator")
PROJECT = Path(__file__).resolve().parent.parent


def environment(environ: Mapping[str, str], address: str, ports: Ports) -> dict[str, str]:
    """Return the gateway's environment: all that the caller has set, and where to read and to listen."""
    return {
        **environ,
        # A simulated fleet is for who started it; whoever wants to show it around names another address.
        "HTTP_HOST": environ.get("HTTP_HOST") or LOOPBACK,
        "GRPC_HOST": environ.get("GRPC_HOST") or LOOPBACK,
        "PROMETHEUS_ADDRESS": address,
        "HTTP_PORT": str(ports.http),
        "GRPC_PORT": str(ports.grpc),
        "REFRESH_INTERVAL": environ.get("REFRESH_INTERVAL") or "5",
    }


@contextlib.contextmanager
def running(folder: Path, environ: Mapping[str, str], command: Sequence[str] = COMMAND) -> Iterator[Child]:
    """Run the gateway while the block runs; what it says goes to a file in `folder`."""
    log_path = folder / "gateway.log"
    with (
        log_path.open("wb") as log,
        # A session of its own: Ctrl-C in the terminal reaches the demo alone, which then stops all in order.
        subprocess.Popen(command, cwd=PROJECT, env=environ, stdout=log, stderr=log, start_new_session=True) as process,
    ):
        try:
            yield Child("the gateway", process, log_path)
        finally:
            stop(process)
