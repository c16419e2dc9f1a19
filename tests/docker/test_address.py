"""Addresses of Engines."""

from pathlib import Path

import pytest

from aggregator.docker.address import SOCKET_PATHS, EngineAddress, find_default_socket, parse_engine_address
from aggregator.errors import CertificateError
from tests.support.certificate_authority import CertificateAuthority


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("unix:///run/user/1000/podman/podman.sock", "unix:///run/user/1000/podman/podman.sock"),
        ("tcp://10.0.0.1:2375", "http://10.0.0.1:2375"),
        ("tcp://[::1]:2375/", "http://[::1]:2375"),
        ("localhost:2375", "http://localhost:2375"),
    ],
)
def test_valid_addresses(text: str, url: str) -> None:
    """A socket, a host and port, and the old form without a scheme are addresses."""
    assert parse_engine_address(text).url == url


@pytest.mark.parametrize(
    "text", ["ssh://host", "unix://run", "tcp://host", "tcp://host:0", "tcp://host:70000", "a/b:1", "", "tcp://u@h:1"]
)
def test_invalid_addresses(text: str) -> None:
    """Other schemes, relative paths and addresses without a port are errors."""
    with pytest.raises(ValueError, match="has "):
        parse_engine_address(text)


def test_the_first_existing_socket_is_the_default(tmp_path: Path) -> None:
    """Without DOCKER_HOST, the first socket that exists is used, and the one of Docker if there is none."""
    (tmp_path / "b").touch()
    assert find_default_socket([str(tmp_path / "a"), str(tmp_path / "b")]) == str(tmp_path / "b")
    assert find_default_socket([str(tmp_path / "a")]) == SOCKET_PATHS[0]


def test_a_socket_that_can_be_opened_is_preferred(tmp_path: Path) -> None:
    """Of several sockets, the first that the user can open is used; the first of all if there is none."""
    paths = [str(tmp_path / name) for name in "ab"]
    for path in paths:
        Path(path).touch()
    assert find_default_socket(paths, paths[1:].__contains__) == paths[1]
    assert find_default_socket(paths, lambda _path: False) == paths[0]


def test_tls_needs_three_files(tmp_path: Path) -> None:
    """With a folder of certificates, requests use https; a folder without them is an error that names it."""
    address = EngineAddress(host_and_port="host:2376", cert_path=str(tmp_path))
    assert address.url == "https://host:2376"
    with pytest.raises(CertificateError, match=str(tmp_path)):
        address.build_ssl_context()
    authority = CertificateAuthority()
    certificate, key = authority.issue("client")
    for name, contents in (("ca.pem", authority.pem), ("cert.pem", certificate), ("key.pem", key)):
        (tmp_path / name).write_bytes(contents)
    assert address.build_ssl_context() is not None
    assert EngineAddress(host_and_port="host:2375").build_ssl_context() is None
