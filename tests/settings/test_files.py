"""Files that settings name: whatever is at the path, the answer is one line."""

from collections.abc import Callable
from pathlib import Path

import pytest

from aggregator.settings.gateway import Settings
from aggregator.settings.settings import load_settings
from tests.settings.test_settings import ADDRESS, list_problems
from tests.support.certificate_authority import CertificateAuthority, write_certificate_files
from tests.support.unusable_files import UNUSABLE_FILES

# Settings that name a file, with what has to be set beside each.
FILE_SETTINGS = {
    "KEY_FILE": ADDRESS,
    "PROMETHEUS_ADDRESS_FILE": {},
    "PROMETHEUS_HEADERS_FILE": ADDRESS,
    "PROMETHEUS_QUERY_PARAMETERS_FILE": ADDRESS,
    "PROMETHEUS_BEARER_TOKEN_FILE": ADDRESS,
    "PROMETHEUS_CA_FILE": ADDRESS,
    "PROMETHEUS_CLIENT_CERT_FILE": ADDRESS,
    "ISSUER_CA_FILE": ADDRESS | {"ISSUER": "http://issuer"},
    "HTTP_TLS_CERT": ADDRESS,
    "HTTP_TLS_KEY": ADDRESS,
    "HTTP_TLS_CLIENT_CA": ADDRESS,
    "GRPC_TLS_CERT": ADDRESS | {"GRPC_PORT": "0"},
}


@pytest.mark.parametrize("setting", FILE_SETTINGS)
@pytest.mark.parametrize(("create", "reason"), UNUSABLE_FILES.values(), ids=UNUSABLE_FILES.keys())
def test_an_unusable_file_is_one_problem(
    tmp_path: Path, setting: str, create: Callable[[Path], None], reason: str
) -> None:
    """A FIFO, a device, a directory, a link loop, a large or a missing file is one problem of that setting."""
    create(tmp_path / "file")
    problems = list_problems(FILE_SETTINGS[setting] | {setting: str(tmp_path / "file")})
    (line,) = [problem for problem in problems if problem.startswith(f"{setting}: ")]
    assert reason in line


@pytest.mark.parametrize("setting", FILE_SETTINGS)
def test_an_empty_file_is_one_problem(tmp_path: Path, setting: str) -> None:
    """An empty file holds no key, token, certificate or address."""
    (tmp_path / "file").touch()
    problems = list_problems(FILE_SETTINGS[setting] | {setting: str(tmp_path / "file")})
    assert any(problem.startswith(f"{setting}: ") for problem in problems)


def test_a_certificate_file_may_have_comments(tmp_path: Path) -> None:
    """Text around the certificates, in any encoding, is ignored."""
    authority = CertificateAuthority()
    files = write_certificate_files(tmp_path / "tls", authority.issue(), "# Autorit\u00e4t\n".encode() + authority.pem)
    assert files.client_ca is not None
    settings = load_settings(
        ADDRESS
        | {"PROMETHEUS_CA_FILE": files.client_ca, "HTTP_TLS_CLIENT_CA": files.client_ca}
        | {"HTTP_TLS_CERT": files.cert, "HTTP_TLS_KEY": files.key},
        Settings,
    )
    assert settings.http_tls == files
