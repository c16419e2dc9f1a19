"""A real Chromium that reaches no host but this machine, and pages in it that report what goes wrong."""

import contextlib
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import Browser, ConsoleMessage, Dialog, Page, Request, expect, sync_playwright

from tools.code import ROOT
from tools.parts.chromium import obtain_chromium

# Only failing tests wait this long. On an overloaded machine, a page has needed 20 s to load.
TIMEOUT_MILLISECONDS = 60_000
AXE_SCRIPT = ROOT / "ui" / "node_modules" / "axe-core" / "axe.min.js"
# All rules of WCAG 2.2 up to AA, and what axe recommends besides.
AXE_TAGS = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice")
# No name is resolved and no address reached but this machine's.
_RESOLVER_RULES = "MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost"


@contextlib.contextmanager
def run_chromium() -> Iterator[Browser]:
    """Run Chromium while the block runs."""
    program = obtain_chromium()
    expect.set_options(timeout=TIMEOUT_MILLISECONDS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=program.path,
            args=[f"--host-resolver-rules={_RESOLVER_RULES}", "--enable-precise-memory-info"],
            env={**os.environ, **program.environment},
        )
        try:
            yield browser
        finally:
            browser.close()


@dataclass
class PageSession:
    """A page of a gateway in a browser profile of its own, and what went wrong in it.

    `errors` are exceptions, dialogs and messages of the console, among them violations of the policy;
    `foreign_requests` are the URLs of requests to other hosts, which fail.
    """

    page: Page
    url: str
    errors: list[str] = field(default_factory=list)
    foreign_requests: list[str] = field(default_factory=list)
    _expected_errors: list[re.Pattern[str]] = field(default_factory=list)

    def open(self, path: str = "/ui") -> None:
        """Open an address of the gateway, and wait until the page has drawn something."""
        self.page.goto(f"{self.url}{path}")
        self.page.locator("#app > *").first.wait_for(state="attached")

    def expect_errors(self, pattern: str) -> None:
        """Let errors that contain the pattern be no failure of the test, such as `status of 401`."""
        self._expected_errors.append(re.compile(pattern))

    def find_problems(self) -> list[str]:
        """Return the errors that are not expected, and the requests to other hosts."""
        unexpected = [text for text in self.errors if not any(one.search(text) for one in self._expected_errors)]
        return unexpected + [f"request to {url}" for url in self.foreign_requests]

    def find_violations(self) -> list[str]:
        """Return a text for each element that breaks a rule of accessibility, as axe finds them."""
        if not self.page.evaluate("'axe' in window"):
            # Evaluated by the debugger, because the policy of the page allows no foreign script.
            self.page.evaluate(AXE_SCRIPT.read_text(encoding="utf-8") + ";undefined")
        options = {"runOnly": {"type": "tag", "values": list(AXE_TAGS)}, "resultTypes": ["violations"]}
        wait_until_drawn(self.page)
        result: dict[str, Any] = self.page.evaluate("options => axe.run(document, options)", options)
        return [
            f"{rule['id']}: {node['target']}: {node['failureSummary']}"
            for rule in result["violations"]
            for node in rule["nodes"]
        ]


def wait_until_drawn(page: Page) -> None:
    """Wait for two frames: by the second, the page has drawn what has arrived, and fits a new size of the window."""
    page.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")


# Opens a page of a gateway in a profile of its own: `open_page(gateway_url, viewport=…)`.
OpenSession = Callable[..., PageSession]


@contextlib.contextmanager
def open_session(browser: Browser, url: str, **options: Any) -> Iterator[PageSession]:
    """Open a page in a new profile while the block runs; `options` are those of Browser.new_context."""
    own_host = urlsplit(url).netloc
    with browser.new_context(**options) as context:
        context.set_default_timeout(TIMEOUT_MILLISECONDS)
        session = PageSession(context.new_page(), url)

        def record_request(request: Request) -> None:
            parts = urlsplit(request.url)
            if parts.scheme not in ("blob", "data") and parts.netloc != own_host:
                session.foreign_requests.append(request.url)

        def record_message(message: ConsoleMessage) -> None:
            if message.type in ("error", "warning"):
                session.errors.append(f"console: {message.text}")

        def record_dialog(dialog: Dialog) -> None:
            session.errors.append(f"dialog: {dialog.message}")
            dialog.dismiss()

        context.on("request", record_request)
        context.on("dialog", record_dialog)
        context.on("console", record_message)
        context.on("weberror", lambda error: session.errors.append(f"exception: {error.error}"))
        yield session
