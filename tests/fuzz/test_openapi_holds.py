"""The running server and its OpenAPI document against each other, by schemathesis, with every check that it has."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from demo.prometheus import free_port
from tests.fuzz.conftest import Guarded
from tests.fuzz.effort import SEED, TIMES
from tests.fuzz.likely import narrowed
from tests.integration.process import Gateway, running
from tests.server.exchange import ask

EXAMPLES = 6
SECONDS = 240 + 60 * TIMES
# Stateful testing follows links between operations; the document has none.
PHASES = "examples,coverage,fuzzing"
# The server stands for all warnings as for failures, but where a run is about refusals: they are what is expected.
ALL_WARNINGS, BUT_REFUSALS = "true", '["missing_test_data", "validation_mismatch", "method_not_allowed"]'
# What only an answer can tell: other texts are refused, as tests/server/test_api_v1.py has it.
# And a wait of a minute is longer than schemathesis has patience.
FIXED = '[parameters]\n"query.continue" = ""\n"query.wait" = "1ms"\n'


def hold(port: int, folder: Path, *options: str, warnings: str = ALL_WARNINGS) -> None:
    """Fail, with what schemathesis has to say, unless every answer is as the document has it."""
    config = folder / "schemathesis.toml"
    config.write_text(f"{FIXED}[warnings]\nfail-on = {warnings}\n", encoding="utf-8")
    document = folder / "openapi.json"
    document.write_text(json.dumps(narrowed(ask(port, "/openapi.json").json())), encoding="utf-8")
    command = [sys.executable, "-m", "schemathesis.cli", "--no-color", "--config-file", str(config), "run"]
    chosen = ["--checks=all", f"--phases={PHASES}", f"--seed={SEED}", f"--max-examples={EXAMPLES * TIMES}"]
    done = subprocess.run(
        [*command, document, f"--url=http://127.0.0.1:{port}", *chosen, "--generation-database=none", *options],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "HOME": str(folder), "NO_PROXY": "*"},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
    assert " 0 generated" not in done.stdout


def test_with_a_good_token(guarded: Guarded, tmp_path: Path) -> None:
    """Whoever holds a token gets the answers of the document."""
    hold(guarded.gateway.http, tmp_path, "--header", f"Authorization: {guarded.bearer}")


# Starting schemathesis takes longer than its questions: what differs only by who asks, or what
# tests/server/test_openapi.py has an eye on, too, is left to the longer run.


@pytest.mark.longer
def test_without_a_key(opened: Gateway, tmp_path: Path) -> None:
    """Whatever is asked of a gateway without KEY, its answers are as documented."""
    hold(opened.http, tmp_path)


@pytest.mark.longer
def test_without_a_token(guarded: Guarded, tmp_path: Path) -> None:
    """Whoever holds none gets the refusals of the document."""
    hold(guarded.gateway.http, tmp_path, warnings=BUT_REFUSALS)


@pytest.mark.longer
def test_without_a_topology(tmp_path: Path) -> None:
    """While Prometheus is away, the answers are those that the document has for it."""
    nowhere = f"http://127.0.0.1:{free_port()}"
    with running(tmp_path, PROMETHEUS_ADDRESS=nowhere) as gateway:
        # A 503 is an error of the server's side and documented as one: only this check calls it a fault.
        hold(gateway.http, tmp_path, "--exclude-checks=not_a_server_error", warnings=BUT_REFUSALS)
