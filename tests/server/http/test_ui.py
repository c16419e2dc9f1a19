"""The web page at /ui: which paths it has, how its files are sent, and what the browser may do with them."""

import contextlib
import gzip
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import zstandard

from aggregator import __version__
from aggregator.server.http.ui import SCREENS, PageConfig, PageLogin, WebPage, load_page
from tests.server.auth.guards import build_static_guard
from tests.server.auth.signed_tokens import FakeRealm
from tests.server.running_servers import ServerOptions, ServerPorts, run_servers
from tests.server.snapshot_provider import FakeSnapshotProvider, build_snapshot
from tests.support.http_client import ClientResponse, send_request

SHELL = b'<!doctype html><title>Topology</title><script type="module" src="/ui/assets/main-AB12.js"></script>\n'
SCRIPT = b"/* a script that is long enough to be compressed */\n" * 40
BUILT_FILES = {
    "index.html": SHELL,
    "assets/main-AB12.js": SCRIPT,
    "assets/styles-CD34.css": b":root { color-scheme: light dark; }\n",
    "assets/icon-EF56.svg": b'<svg xmlns="http://www.w3.org/2000/svg"/>\n',
    "licenses.txt": b"The page contains code of these packages.\n",
}
FILE_PATHS = [f"/ui/{name}" for name in BUILT_FILES if name != "index.html"]
SHELL_PATHS = [
    *("/ui", "/ui/", "/ui/overview", "/ui/map", "/ui/nodes?filter=health%3Dfailed", "/ui/clusters/edge%2F1/nodes/a"),
    *("/ui/clusters/a/pods/-/x.js", "/ui/clusters/%3Cimg%20onerror%3E", "/ui/quality/"),
]
UNKNOWN_PATHS = [
    *("/ui/index.html", "/ui/manifest.json", "/ui/assets", "/ui/assets/", "/ui/assets/main-0000.js", "/ui/x"),
    *("/ui/assets/../manifest.json", "/ui/assets/%2e%2e/manifest.json", "/ui/..%2fui.py", "/ui//overview"),
    *("/ui/OVERVIEW", "/ui/overview.html", "/ui/config.json/", "/ui/assets/main-AB12.js/", "/ui/licenses.txt%00"),
]
LOGIN = PageLogin("https://iam.example.org:8443/realms/icos", "aggregator-page")


@pytest.fixture(scope="module")
def built_page_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as `ui/build.mjs` writes it, with small files."""
    folder = tmp_path_factory.mktemp("page")
    for name, content in BUILT_FILES.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(content)
    manifest = {"files": {name: {"bytes": len(content)} for name, content in BUILT_FILES.items()}}
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def page_server(built_page_folder: Path) -> Iterator[ServerPorts]:
    """Servers with the page, without tokens."""
    with _run_page(load_page(PageConfig(), built_page_folder)) as ports:
        yield ports


@pytest.fixture(scope="module")
def guarded_page_server(built_page_folder: Path, public_key: str) -> Iterator[ServerPorts]:
    """Servers with the page and a login, whose data require a token."""
    with _run_page(load_page(PageConfig(token_required=True, login=LOGIN), built_page_folder), public_key) as ports:
        yield ports


def _run_page(page: WebPage, public_key: str = "") -> contextlib.AbstractContextManager[ServerPorts]:
    guard = build_static_guard(public_key) if public_key else None
    return run_servers(FakeSnapshotProvider(build_snapshot()), guard, options=ServerOptions(page=page))


@pytest.mark.parametrize("path", SHELL_PATHS)
def test_every_screen_has_the_shell(page_server: ServerPorts, path: str) -> None:
    """The address of a screen returns the shell, which must be validated for each use."""
    answer = send_request(page_server.http, path)
    assert (answer.status, answer.body) == (200, SHELL)
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert answer.headers["Cache-Control"] == "no-cache"


@pytest.mark.parametrize("path", UNKNOWN_PATHS)
def test_other_paths_below_the_page_do_not_exist(page_server: ServerPorts, path: str) -> None:
    """A path below /ui that is no file and no screen is a 404, not the shell and not a file of the folder."""
    answer = send_request(page_server.http, path)
    assert answer.status == 404
    assert answer.json() == {"error": "no such path; see /docs"}


def test_files_are_kept_for_a_year(page_server: ServerPorts) -> None:
    """A file whose name contains a digest may be kept for a year without asking again, any other may not."""
    header_by_path = {path: send_request(page_server.http, path).headers["Cache-Control"] for path in FILE_PATHS}
    for path, header in header_by_path.items():
        assert header == ("public, max-age=31536000, immutable" if "/assets/" in path else "no-cache"), path


def test_files_have_their_types(page_server: ServerPorts) -> None:
    """Scripts, styles and images have the types without which browsers refuse them."""
    types = [send_request(page_server.http, path).headers["Content-Type"] for path in FILE_PATHS]
    assert types == [
        "text/javascript; charset=utf-8",
        "text/css; charset=utf-8",
        "image/svg+xml",
        "text/plain; charset=utf-8",
    ]


@pytest.mark.parametrize(
    ("accepted", "coding", "decompress"),
    [
        ("gzip, deflate, br, zstd", "zstd", zstandard.decompress),
        ("gzip, deflate", "gzip", gzip.decompress),
        ("identity", None, bytes),
    ],
)
def test_files_are_compressed(
    page_server: ServerPorts, accepted: str, coding: str | None, decompress: Callable[[bytes], bytes]
) -> None:
    """A file is sent in the best content coding that the browser accepts, with the entity tag of that coding."""
    answer = _get_script(page_server, ("Accept-Encoding", accepted))
    assert answer.headers["Content-Encoding"] == coding
    assert decompress(answer.body) == SCRIPT
    assert answer.headers["Content-Length"] == str(len(answer.body))
    assert answer.headers["Vary"] == "accept-encoding"
    assert answer.headers["ETag"].endswith(f'+{coding}"') == (coding is not None)


def test_small_files_are_sent_as_they_are(page_server: ServerPorts) -> None:
    """A file that fits into one packet is not compressed."""
    answer = send_request(page_server.http, "/ui", headers=[("Accept-Encoding", "gzip")])
    assert (answer.headers["Content-Encoding"], answer.body) == (None, SHELL)


@pytest.mark.parametrize("path", ["/ui/overview", "/ui/assets/main-AB12.js", "/ui/config.json"])
def test_a_known_file_is_not_sent_again(page_server: ServerPorts, path: str) -> None:
    """A request with the entity tag of a file gets 304, without a body and with the same policy."""
    first = send_request(page_server.http, path)
    answer = send_request(page_server.http, path, headers=[("If-None-Match", first.headers["ETag"])])
    assert (answer.status, answer.body) == (304, b"")
    assert answer.headers["Content-Security-Policy"] == first.headers["Content-Security-Policy"]
    assert send_request(page_server.http, path, headers=[("If-None-Match", '"other"')]).status == 200


@pytest.mark.parametrize("path", ["/ui", "/ui/assets/main-AB12.js"])
def test_only_get_and_head_are_allowed(page_server: ServerPorts, path: str) -> None:
    """HEAD returns the headers of GET; other methods get 405."""
    get, head = send_request(page_server.http, path), send_request(page_server.http, path, "HEAD")
    assert (head.status, head.body, head.headers["Content-Length"]) == (200, b"", str(len(get.body)))
    refused = send_request(page_server.http, path, "POST")
    assert (refused.status, refused.headers["Allow"]) == (405, "GET, HEAD")


@pytest.mark.parametrize("path", ["/ui", "/ui/clusters/a", "/ui/config.json", *FILE_PATHS])
def test_the_policy_of_the_page(page_server: ServerPorts, guarded_page_server: ServerPorts, path: str) -> None:
    """Every file has the policy: nothing inline, no other host but the issuer of a login, no frames around it."""
    answer = send_request(page_server.http, path)
    assert answer.headers["Content-Security-Policy"] == (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "worker-src 'self'; form-action 'none'; frame-ancestors 'none'; base-uri 'none'"
    )
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert answer.headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"
    policy = send_request(guarded_page_server.http, path).headers["Content-Security-Policy"]
    assert "connect-src 'self' https://iam.example.org:8443;" in policy


@pytest.mark.parametrize("path", [*SHELL_PATHS, *FILE_PATHS, "/ui/config.json"])
def test_the_page_needs_no_token(guarded_page_server: ServerPorts, path: str) -> None:
    """The page is returned to everyone, whatever token is sent: it contains no data."""
    assert send_request(guarded_page_server.http, path).status == 200
    assert send_request(guarded_page_server.http, path, headers=[("Authorization", "Bearer a.b.c")]).status == 200


@pytest.mark.parametrize("path", [*UNKNOWN_PATHS, "/uix", "/UI", "/api/v1/nodes", "/x/ui/overview", "//ui/overview"])
def test_nothing_else_is_public(guarded_page_server: ServerPorts, path: str) -> None:
    """Paths that only resemble those of the page need a token."""
    assert send_request(guarded_page_server.http, path).status == 401


def test_the_configuration(page_server: ServerPorts, guarded_page_server: ServerPorts) -> None:
    """The page learns the version, whether data need a token, and where to log in."""
    assert send_request(page_server.http, "/ui/config.json").json() == {
        "version": __version__,
        "login": None,
        "tokenRequired": False,
    }
    assert send_request(guarded_page_server.http, "/ui/config.json").json() == {
        "version": __version__,
        "login": {"authority": "https://iam.example.org:8443/realms/icos", "clientId": "aggregator-page"},
        "tokenRequired": True,
    }


@pytest.mark.parametrize("screen", ["", *sorted(SCREENS)])
def test_a_page_that_is_not_built_says_how(tmp_path: Path, screen: str, public_key: str) -> None:
    """Without built files each screen is a 404 that says, in plain text and without a token, how to build the page."""
    with _run_page(load_page(PageConfig(), tmp_path), public_key) as ports:
        answer = send_request(ports.http, f"/ui/{screen}")
        assert (answer.status, answer.headers["Content-Type"]) == (404, "text/plain; charset=utf-8")
        assert b"`make setup` builds it" in answer.body
        assert send_request(ports.http, "/ui/config.json").status == 200
        assert send_request(ports.http, "/ui/assets/main-AB12.js").status == 401


def test_a_token_gives_access_to_data_only(guarded_page_server: ServerPorts, realm: FakeRealm) -> None:
    """With a token an unknown file is a 404, and the data are there."""
    token = ("Authorization", f"Bearer {realm.issue_token()}")
    assert send_request(guarded_page_server.http, "/ui/x", headers=[token]).status == 404
    assert send_request(guarded_page_server.http, "/api/v1/nodes", headers=[token]).status == 200


def _get_script(ports: ServerPorts, *headers: tuple[str, str]) -> ClientResponse:
    return send_request(ports.http, "/ui/assets/main-AB12.js", headers=headers)
