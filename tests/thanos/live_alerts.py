"""The alert rules in Prometheus 3, which computes rates over windows without their first instant."""

import subprocess
from pathlib import Path

import pytest

from tests.monitoring.rules import CASE_FILES
from tools.parts.thanos import obtain_thanos_binaries


@pytest.mark.parametrize("path", CASE_FILES, ids=lambda path: path.stem)
def test_the_expected_alerts_fire(path: Path) -> None:
    """At each time of each case, exactly the same alerts fire as in Prometheus 2."""
    command = [str(obtain_thanos_binaries().promtool), "test", "rules", str(path)]
    completed = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert completed.returncode == 0, completed.stdout + completed.stderr
