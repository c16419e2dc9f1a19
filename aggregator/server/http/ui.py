"""The web page at /ui: its built files, the shell at the address of every screen, and its configuration.

Everything is read, compressed and kept when the page is loaded. None of it depends on a token or contains data: the
page requests those from /api/v1 with the token of its user.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

from starlette.types import Receive, Scope, Send

from aggregator import __version__
from aggregator.errors import MethodNotAllowedError
from aggregator.server.http.documents import StaticBody, parse_preferences
from aggregator.server.http.responses import NOSNIFF_HEADER, REVALIDATE_HEADER, Headers

PAGE_PATH = "/ui"
CONFIG_PATH = f"{PAGE_PATH}/config.json"
# The first segments of the addresses of screens, as in ui/src/router.ts. Longer paths below them are screens, too.
SCREENS = frozenset(
    {"candidates", "clusters", "compare", "containers", "map", "nodes", "overview", "pods", "quality", "world"},
)
# Where ui/build.mjs writes the page.
BUILT_PAGE_FOLDER = Path(__file__).parent / "page"
MANIFEST_NAME = "manifest.json"
SHELL_NAME = "index.html"
# The names of these files contain a digest of their content.
ASSETS_PREFIX = "assets/"

NOT_BUILT_TEXT = """\
The web page is not part of this installation.

In a clone of the repository, `make setup` builds it and says what is missing. The container image and the wheel of a
release have it. The description of the API is at /docs.
"""

_CONTENT_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".map": "application/json",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
}
# One year, the longest time that caches honor.
_IMMUTABLE_HEADER = (b"cache-control", b"public, max-age=31536000, immutable")
_METHODS = ("GET", "HEAD")
_ENTITY_TAG_KEY = "ui"


@dataclass(frozen=True)
class PageLogin:
    """The OpenID Connect issuer at which users log in, and the client ID of the page."""

    authority: str
    client_id: str


@dataclass(frozen=True)
class PageConfig:
    """The configuration that the page reads before it requests data."""

    token_required: bool = False
    login: PageLogin | None = None

    def render(self) -> bytes:
        """Return /ui/config.json."""
        login = self.login and {"authority": self.login.authority, "clientId": self.login.client_id}
        document = {"version": __version__, "login": login, "tokenRequired": self.token_required}
        return json.dumps(document, indent=2).encode() + b"\n"


class PageFile:
    """One file of the page, with its headers."""

    def __init__(self, name: str, body: bytes, page_headers: Headers, status: int = 200) -> None:
        self._status = status
        content_type = _CONTENT_TYPES.get(PurePosixPath(name).suffix, "application/octet-stream")
        self._static_body = StaticBody(body, _ENTITY_TAG_KEY, (b"content-type", content_type.encode()))
        is_immutable = name.startswith(ASSETS_PREFIX)
        self._common_headers = [
            *page_headers,
            _IMMUTABLE_HEADER if is_immutable else REVALIDATE_HEADER,
            (b"vary", b"accept-encoding"),
        ]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request for this file; raise MethodNotAllowedError unless it is GET or HEAD."""
        if scope["method"] not in _METHODS:
            raise MethodNotAllowedError(f"method {scope['method'][:20]} is not allowed here", allowed=_METHODS)
        preferences = parse_preferences(scope["method"], scope["headers"])
        response = self._static_body.build_response(preferences, self._common_headers, self._status)
        await response(scope, receive, send)


class WebPage:
    """The page: exact paths of files, and the shell at the addresses of screens. All of it needs no token."""

    def __init__(self, shell: PageFile, files: Mapping[str, PageFile]) -> None:
        self._shell = shell
        self._files = {PAGE_PATH: shell, f"{PAGE_PATH}/": shell, **files}

    def find_file(self, path: str) -> PageFile | None:
        """Return the file at a path, None if the page has none there."""
        file = self._files.get(path)
        if file is None and path.startswith(f"{PAGE_PATH}/"):
            screen = path.removeprefix(f"{PAGE_PATH}/").partition("/")[0]
            return self._shell if screen in SCREENS else None
        return file


def load_page(config: PageConfig, folder: Path = BUILT_PAGE_FOLDER) -> WebPage:
    """Return the page that was built in a folder; without one, a page that says how to build it."""
    headers = _build_page_headers(config.login)
    files = {CONFIG_PATH: PageFile("config.json", config.render(), headers)}
    if not is_page_built(folder):
        return WebPage(PageFile("not-built.txt", NOT_BUILT_TEXT.encode(), headers, 404), files)
    names = json.loads((folder / MANIFEST_NAME).read_bytes())["files"].keys() - {SHELL_NAME}
    files |= {f"{PAGE_PATH}/{name}": PageFile(name, (folder / name).read_bytes(), headers) for name in sorted(names)}
    return WebPage(PageFile(SHELL_NAME, (folder / SHELL_NAME).read_bytes(), headers), files)


def is_page_built(folder: Path = BUILT_PAGE_FOLDER) -> bool:
    """Return whether a folder contains a built page."""
    return (folder / MANIFEST_NAME).is_file()


def _build_page_headers(login: PageLogin | None) -> Headers:
    """Return the headers of all files. A worker obeys the policy of its own script, so that they all have one."""
    connect_sources = ["'self'"]
    if login is not None:
        parts = urlsplit(login.authority)
        connect_sources.append(f"{parts.scheme}://{parts.netloc}")
    policy = (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
        f"connect-src {' '.join(connect_sources)}; worker-src 'self'; "
        "form-action 'none'; frame-ancestors 'none'; base-uri 'none'"
    )
    return [
        (b"content-security-policy", policy.encode()),
        NOSNIFF_HEADER,
        (b"referrer-policy", b"no-referrer"),
        (b"cross-origin-opener-policy", b"same-origin"),
        (b"cross-origin-resource-policy", b"same-origin"),
    ]
