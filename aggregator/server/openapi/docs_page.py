"""The page at /docs: Swagger UI from local files, and the problem types that `type` of an error leads to."""

from collections.abc import Mapping
from html import escape

from fastapi.openapi.docs import get_swagger_ui_html

from aggregator.server.http.responses import PROBLEM_TYPES

DOCS_PATH = "/docs"
OAUTH2_REDIRECT_PATH = f"{DOCS_PATH}/oauth2-redirect"
STATIC_PATH = f"{DOCS_PATH}/static"

# What the sender of a request can do about a problem, by HTTP status.
_REMEDIES: Mapping[int, str] = {
    400: "Correct the parameter that `parameter` names. `nearest` and `allowed` list what is valid.",
    401: "Send a valid token in the header Authorization.",
    403: "Use a token with a role that grants access. docs/tokens.md explains which.",
    404: "Check the spelling: `nearest` lists similar names. A token may also hide the object.",
    405: "Use a method that the header Allow lists.",
    410: "Request the first page again, without `continue`.",
    412: "Decide again with the current topology, whose version is `version`.",
    413: "Send a smaller body.",
    429: "Close other watches, or try again after the seconds in Retry-After.",
    500: "Report it with the value of the header X-Request-Id, under which the log has the details.",
    503: "Try again after the seconds in the header Retry-After. `detail` has the reason.",
}

# Swagger UI draws its part later. The list is above it, so that the browser finds the anchor at once and nothing moves
# it away; it is shown only to readers who follow a link to one of its entries.
_STYLE = """
#problem-types { display: none; font-family: sans-serif; margin: 2em auto; max-width: 1420px; padding: 0 20px }
#problem-types:has(:target) { display: block }
#problem-types dt:target { font-weight: bold }
#problem-types dd { margin-bottom: 1em }
"""


def render_docs_page(title: str, openapi_url: str) -> str:
    """Return the HTML of the page."""
    page = get_swagger_ui_html(
        openapi_url=openapi_url,
        title=f"{title} - Swagger UI",
        oauth2_redirect_url=OAUTH2_REDIRECT_PATH,
        swagger_js_url=f"{STATIC_PATH}/swagger-ui-bundle.js",
        swagger_css_url=f"{STATIC_PATH}/swagger-ui.css",
        swagger_favicon_url=f"{STATIC_PATH}/favicon.png",
    )
    return bytes(page.body).decode().replace("<body>", f"<body>\n{_render_problem_types()}", 1)


def _render_problem_types() -> str:
    entries = "".join(
        f'<dt id="{escape(anchor)}">{status} {escape(title)}</dt>\n<dd>{escape(_REMEDIES[status])}</dd>\n'
        for status, (anchor, title) in PROBLEM_TYPES.items()
    )
    style = f"<style>{_STYLE}</style>"
    return f'<section id="problem-types">\n{style}\n<h2>Problem types</h2>\n<dl>\n{entries}</dl>\n</section>'
