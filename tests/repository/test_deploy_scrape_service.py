"""The unit of systemd for the scrape server."""

import configparser
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from aggregator.cli import main
from aggregator.settings.scrape import ScrapeSettings
from aggregator.settings.settings import load_settings

UNIT_FILE = Path(__file__).parents[2] / "deploy" / "aggregator-scrape.service"


def read_service() -> configparser.SectionProxy:
    """Return the section of the service."""
    unit = configparser.ConfigParser(interpolation=None)
    unit.read_string(UNIT_FILE.read_text(encoding="utf-8"))
    return unit["Service"]


def test_the_command_is_valid() -> None:
    """The command takes its arguments, its files are in the folder of the service, and systemd waits for its end."""
    service = read_service()
    program, *arguments = service["ExecStart"].split()
    ports = main.build_parser().parse_args(arguments).port
    settings = load_settings({"SCRAPE_PORT": ports}, ScrapeSettings)
    assert (program, settings.SCRAPE_PORT) == ("/opt/aggregator/bin/aggregator", (5000, 8761))
    assert service["WorkingDirectory"] == f"/var/lib/{service['StateDirectory']}"
    assert not any(Path(path).is_absolute() for path in (settings.AGENTS_FILE, settings.REGISTRY_FILE))
    assert int(service["TimeoutStopSec"]) > settings.GRACE


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
def test_systemd_accepts_the_unit(tmp_path: Path) -> None:
    """systemd-analyze finds nothing wrong with the unit."""
    text = UNIT_FILE.read_text(encoding="utf-8").replace("/opt/aggregator/bin/aggregator scrape", sys.executable)
    (tmp_path / UNIT_FILE.name).write_text(text, encoding="utf-8")
    checked = subprocess.run(
        ["systemd-analyze", "verify", str(tmp_path / UNIT_FILE.name)], capture_output=True, text=True, check=False
    )
    assert UNIT_FILE.stem not in checked.stderr
