"""The watch over every log: that it finds what it looks for, and that no real process goes around it."""

import base64
import re
from pathlib import Path

import pytest

from tests.integration import secrets
from tests.integration.process import ROOT, running
from tests.server.tokens import Realm

WITH_PASSWORD = "http://scraper:sw0rdf%40sh@127.0.0.1:9"
REALM = Realm()


@pytest.mark.parametrize(
    ("log", "settings", "expected"),
    [
        (f"refused {REALM.token()}", {}, "eyJ"),
        ("Traceback (most recent call last):", {}, "Traceback (most recent call last)"),
        ('{"url": "http://scraper:sw0rdf%40sh@x"}', {"PROMETHEUS_ADDRESS": WITH_PASSWORD}, "PROMETHEUS_ADDRESS"),
        ("password sw0rdf@sh", {"PROMETHEUS_ADDRESS": WITH_PASSWORD}, "PROMETHEUS_ADDRESS"),
        (base64.b64encode(b"scraper:sw0rdf@sh").decode(), {"PROMETHEUS_ADDRESS": WITH_PASSWORD}, "PROMETHEUS_ADDRESS"),
        ("the beginning, sw0rdf@s", {"PROMETHEUS_ADDRESS": WITH_PASSWORD}, "PROMETHEUS_ADDRESS"),
        ("no 123456789abcdef", {"PROMETHEUS_ADDRESS": "http://0123456789abcdef@h"}, "PROMETHEUS_ADDRESS"),
        ("no 89abcdef…", {"PROMETHEUS_BEARER_TOKEN": "0123456789abcdef"}, "PROMETHEUS_BEARER_TOKEN"),
        (f"KEY={REALM.setting}", {"KEY": REALM.setting}, "KEY"),
        (f"KEY={REALM.setting}", {"KEY": REALM.pem.decode().replace("\n", "")}, "KEY"),
    ],
    ids=[
        "token",
        "traceback",
        "password as written",
        "password as meant",
        "password as sent",
        "part of a password",
        "user that is a token",
        "part of a token",
        "key",
        "key from PEM",
    ],
)
def test_what_must_not_be_logged_is_found(log: str, settings: dict[str, str], expected: str) -> None:
    """A token, a traceback, and each form of a secret of the settings is found in a log that holds it."""
    assert expected in secrets.found_in(f"first line\n{log}\nlast line", settings)


def test_a_secret_in_a_file_is_looked_for(tmp_path: Path) -> None:
    """A secret that came by NAME_FILE is looked for as well."""
    (tmp_path / "key").write_text(REALM.setting + "\n")
    assert secrets.found_in(f"x {REALM.setting} y", {"KEY_FILE": str(tmp_path / "key")}) == ["KEY"]


def test_what_may_be_logged_is_not_found() -> None:
    """Addresses without credentials, users, and words of our own are no secrets."""
    assert not secrets.found_in("scraper asks http://127.0.0.1:9", {"PROMETHEUS_ADDRESS": "http://127.0.0.1:9"})
    assert not secrets.found_in("scraper", {"PROMETHEUS_ADDRESS": WITH_PASSWORD})


def test_a_log_with_a_secret_fails_whoever_started_the_process(tmp_path: Path) -> None:
    """A line with a token, added to the log of a real process, is noticed when that ends."""

    def logs_a_token() -> None:
        with running(tmp_path, PROMETHEUS_ADDRESS="http://127.0.0.1:9") as gateway:
            assert gateway.http
            with gateway.log_path.open("a") as log:
                log.write(f"token {REALM.token()}\n")

    with pytest.raises(AssertionError, match="the log of the gateway holds eyJ"):
        logs_a_token()


def test_no_real_process_goes_around_the_watch() -> None:
    """Only tests/integration/process.py starts the program itself; the container image has a tier of its own."""
    starts = re.compile(r'"-m",\s*"aggregator"')
    sources = {str(path.relative_to(ROOT)): path.read_text() for path in (ROOT / "tests").rglob("*.py")}
    found = {name for name, source in sources.items() if starts.search(source) and "/image/" not in name}
    assert found - {"tests/integration/test_secrets.py"} == {"tests/integration/process.py"}
