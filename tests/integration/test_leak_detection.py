"""Leak detection finds secrets in logs, and covers every gateway process."""

import base64
import re
from pathlib import Path

import pytest

from tests.integration import leak_detection
from tests.integration.gateway_process import ROOT, run_gateway
from tests.server.auth.signed_tokens import FakeRealm

ADDRESS_WITH_PASSWORD = "http://scraper:sw0rdf%40sh@127.0.0.1:9"
REALM = FakeRealm()


@pytest.mark.parametrize(
    ("log", "settings", "expected"),
    [
        (f"refused {REALM.issue_token()}", {}, "eyJ"),
        ("Traceback (most recent call last):", {}, "Traceback (most recent call last)"),
        (
            '{"url": "http://scraper:sw0rdf%40sh@x"}',
            {"PROMETHEUS_ADDRESS": ADDRESS_WITH_PASSWORD},
            "PROMETHEUS_ADDRESS",
        ),
        ("password sw0rdf@sh", {"PROMETHEUS_ADDRESS": ADDRESS_WITH_PASSWORD}, "PROMETHEUS_ADDRESS"),
        (
            base64.b64encode(b"scraper:sw0rdf@sh").decode(),
            {"PROMETHEUS_ADDRESS": ADDRESS_WITH_PASSWORD},
            "PROMETHEUS_ADDRESS",
        ),
        ("truncated, sw0rdf@s", {"PROMETHEUS_ADDRESS": ADDRESS_WITH_PASSWORD}, "PROMETHEUS_ADDRESS"),
        ("no 123456789abcdef", {"PROMETHEUS_ADDRESS": "http://0123456789abcdef@h"}, "PROMETHEUS_ADDRESS"),
        ("no 89abcdef…", {"PROMETHEUS_BEARER_TOKEN": "0123456789abcdef"}, "PROMETHEUS_BEARER_TOKEN"),
        (f"KEY={REALM.key_setting}", {"KEY": REALM.key_setting}, "KEY"),
        (f"KEY={REALM.key_setting}", {"KEY": REALM.pem.decode().replace("\n", "")}, "KEY"),
    ],
    ids=[
        "token",
        "traceback",
        "password as configured",
        "decoded password",
        "password in base64",
        "part of a password",
        "token as user",
        "part of a token",
        "key",
        "key from PEM",
    ],
)
def test_secrets_in_a_log_are_found(log: str, settings: dict[str, str], expected: str) -> None:
    """Tokens, tracebacks, and secrets of the settings in every form are found in a log."""
    assert expected in leak_detection.find_leaks(f"first line\n{log}\nlast line", settings)


def test_a_secret_from_a_file_is_found(tmp_path: Path) -> None:
    """A secret that is set with NAME_FILE is found."""
    (tmp_path / "key").write_text(REALM.key_setting + "\n")
    assert leak_detection.find_leaks(f"x {REALM.key_setting} y", {"KEY_FILE": str(tmp_path / "key")}) == ["KEY"]


def test_public_texts_are_not_reported() -> None:
    """Addresses without credentials and short user names are not secrets."""
    assert not leak_detection.find_leaks(
        "scraper queries http://127.0.0.1:9", {"PROMETHEUS_ADDRESS": "http://127.0.0.1:9"}
    )
    assert not leak_detection.find_leaks("scraper", {"PROMETHEUS_ADDRESS": ADDRESS_WITH_PASSWORD})


def test_a_secret_in_the_log_of_a_process_fails_the_test(tmp_path: Path) -> None:
    """A token in the log of a gateway fails the test when the gateway ends."""

    def log_token() -> None:
        with run_gateway(tmp_path, PROMETHEUS_ADDRESS="http://127.0.0.1:9") as gateway:
            assert gateway.http_port
            with gateway.log_path.open("a") as log:
                log.write(f"token {REALM.issue_token()}\n")

    with pytest.raises(AssertionError, match="the log of the gateway contains eyJ"):
        log_token()


def test_all_tests_start_gateways_with_leak_detection() -> None:
    """Only tests/integration/gateway_process.py starts the program, except in images and in a machine with systemd."""
    starts = re.compile(r'"-m",\s*"aggregator"')
    sources = {str(path.relative_to(ROOT)): path.read_text() for path in (ROOT / "tests").rglob("*.py")}
    names = {name for name, source in sources.items() if starts.search(source) and "image" not in name}
    others = {"tests/integration/test_leak_detection.py", "tests/docker/systemd_machine.py"}
    assert names - others == {"tests/integration/gateway_process.py"}
