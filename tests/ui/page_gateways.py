"""Gateways whose page is opened in a browser."""

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.integration.gateway_process import GatewayProcess, run_gateway, wait_until
from tests.support.http_client import send_request

# For large fleets, which take some seconds.
FIRST_REFRESH_TIMEOUT_SECONDS = 60.0
LIVE_REFRESH_INTERVAL = "0.5"


@contextlib.contextmanager
def run_page_gateway(
    folder: Path, address: str, prefix: Sequence[str] = (), **settings: str
) -> Iterator[GatewayProcess]:
    """Run a gateway until the block ends, once it is ready. `prefix` is a command that runs it, such as taskset."""
    defaults = {"PROMETHEUS_ADDRESS": address, "REFRESH_INTERVAL": LIVE_REFRESH_INTERVAL}
    with run_gateway(folder, prefix, **(defaults | settings)) as gateway:
        wait_until(
            lambda: send_request(gateway.http_port, "/readyz").status == 200, "ready", FIRST_REFRESH_TIMEOUT_SECONDS
        )
        yield gateway


def build_url(gateway: GatewayProcess) -> str:
    """Return the URL of a gateway without a path."""
    return f"http://127.0.0.1:{gateway.http_port}"
