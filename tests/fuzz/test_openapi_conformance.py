"""The running server conforms to its OpenAPI document, by all checks of schemathesis."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from demo.prometheus import find_free_port
from tests.fuzz.conftest import GuardedGateway
from tests.fuzz.fuzz_settings import EXAMPLE_FACTOR, SEED
from tests.fuzz.openapi_patterns import add_parameter_patterns
from tests.integration.gateway_process import GatewayProcess, run_gateway
from tests.support.http_client import send_request

EXAMPLE_COUNT = 6
RUN_TIMEOUT_SECONDS = 240 + 60 * EXAMPLE_FACTOR
# Stateful testing follows links between operations; the document has none.
PHASES = "examples,coverage,fuzzing"
# Warnings are failures, except those about rejections in runs whose requests must be rejected.
ALL_WARNINGS, WARNINGS_EXCEPT_REJECTIONS = "true", '["missing_test_data", "validation_mismatch", "method_not_allowed"]'
# Only a response contains a valid continue token, and tests/server/http/test_routes_v1.py covers invalid ones. A wait
# of a minute is longer than the timeout of schemathesis, and a watch without a timeout has no end.
# No pattern tells past times from others: tests/server/test_instants.py and tests/server/test_diff.py.
FIXED_PARAMETERS = """\
[parameters]
"query.continue" = ""
"query.wait" = "1ms"
"query.timeout" = "1ms"
"query.time" = ""
"query.from" = "-1s"
"query.to" = ""
"""


def assert_conformance(port: int, folder: Path, *options: str, warnings: str = ALL_WARNINGS) -> None:
    """Fail with the output of schemathesis unless every response conforms to the document."""
    config = folder / "schemathesis.toml"
    config.write_text(f"{FIXED_PARAMETERS}[warnings]\nfail-on = {warnings}\n", encoding="utf-8")
    document = folder / "openapi.json"
    document.write_text(
        json.dumps(add_parameter_patterns(send_request(port, "/openapi.json").json())), encoding="utf-8"
    )
    command = [sys.executable, "-m", "schemathesis.cli", "--no-color", "--config-file", str(config), "run"]
    run_options = [
        "--checks=all",
        f"--phases={PHASES}",
        f"--seed={SEED}",
        f"--max-examples={EXAMPLE_COUNT * EXAMPLE_FACTOR}",
    ]
    completed = subprocess.run(
        [*command, document, f"--url=http://127.0.0.1:{port}", *run_options, "--generation-database=none", *options],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "HOME": str(folder), "NO_PROXY": "*"},
        capture_output=True,
        text=True,
        timeout=RUN_TIMEOUT_SECONDS,
        check=False,
    )
    assert completed.returncode == 0, completed.stdout[-8000:] + completed.stderr[-2000:]
    assert " 0 generated" not in completed.stdout


def test_with_a_valid_token(guarded_gateway: GuardedGateway, tmp_path: Path) -> None:
    """Requests with a valid token get the documented responses."""
    assert_conformance(
        guarded_gateway.gateway.http_port, tmp_path, "--header", f"Authorization: {guarded_gateway.authorization}"
    )


# Starting schemathesis takes longer than its requests. Runs that differ only in the credentials, and what
# tests/server/openapi also covers, are part of the longer run.


@pytest.mark.slow
def test_without_a_key(open_gateway: GatewayProcess, tmp_path: Path) -> None:
    """A gateway without KEY returns the documented responses."""
    assert_conformance(open_gateway.http_port, tmp_path)


@pytest.mark.slow
def test_without_a_token(guarded_gateway: GuardedGateway, tmp_path: Path) -> None:
    """Requests without a token get the documented errors."""
    assert_conformance(guarded_gateway.gateway.http_port, tmp_path, warnings=WARNINGS_EXCEPT_REJECTIONS)


@pytest.mark.slow
def test_without_a_topology(tmp_path: Path) -> None:
    """While Prometheus is unreachable, the gateway returns the documented errors."""
    unreachable_url = f"http://127.0.0.1:{find_free_port()}"
    with run_gateway(tmp_path, PROMETHEUS_ADDRESS=unreachable_url) as gateway:
        # 503 is documented, but this check treats every 5xx status as a failure.
        assert_conformance(
            gateway.http_port, tmp_path, "--exclude-checks=not_a_server_error", warnings=WARNINGS_EXCEPT_REJECTIONS
        )
