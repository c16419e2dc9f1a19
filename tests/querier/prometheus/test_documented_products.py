"""The settings that docs/upstreams.md has for each compatible product."""

import contextlib
import re
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from aggregator.app.sources import build_client
from aggregator.observability.redaction import PATTERN_REDACTOR
from aggregator.querier.prometheus.client import UpstreamAddress
from aggregator.settings.gateway import Settings
from aggregator.settings.settings import load_settings
from tests.support.scripted_server import (
    ReceivedRequest,
    build_http_response,
    build_sending_script,
    run_scripted_server,
)

PAGE = Path(__file__).parents[3] / "docs" / "upstreams.md"
TOKEN = "t0ken-t0ken"
EMPTY_BODY = b'{"status":"success","data":{"resultType":"vector","result":[]}}'


def read_products() -> dict[str, dict[str, str]]:
    """Return the settings of each product on the page."""
    section = PAGE.read_text(encoding="utf-8").partition("## Compatible products")[2].partition("\n## ")[0]
    blocks = section.split("```")[1].strip().split("\n\n")
    products: dict[str, dict[str, str]] = {}
    for block in blocks:
        title, *lines = block.splitlines()
        products[re.split(r"[:,]", title.removeprefix("# "))[0] + f" {len(products)}"] = dict(
            line.split("=", 1) for line in lines
        )
    return products


PRODUCTS = read_products()


def send_query(environment: dict[str, str], token_file: Path) -> ReceivedRequest:
    """Send a query with these settings to a local server in place of the host; return the request."""
    token_file.write_text(TOKEN)
    if "PROMETHEUS_BEARER_TOKEN_FILE" in environment:
        environment = environment | {"PROMETHEUS_BEARER_TOKEN_FILE": str(token_file)}
    settings = load_settings(environment | {"THANOS": "off"}, Settings)
    (address,) = settings.upstreams
    with run_scripted_server(build_sending_script(build_http_response(EMPTY_BODY))) as server:
        local = UpstreamAddress(server.url + urlsplit(address.url).path, address.user, address.password)
        with contextlib.closing(build_client(settings, PATTERN_REDACTOR, local)) as client:
            client.query("up", 1.0)
    return server.requests[0]


@pytest.mark.parametrize("product", PRODUCTS)
def test_documented_settings_are_sent(tmp_path: Path, product: str) -> None:
    """The path, the headers, the parameters and the token of a product reach it."""
    environment = PRODUCTS[product]
    request = send_query(environment, tmp_path / "token")
    assert request.path == urlsplit(environment["PROMETHEUS_ADDRESS"]).path + "/api/v1/query"
    if header := environment.get("PROMETHEUS_HEADERS"):
        name, _, value = header.partition("=")
        assert request.headers[name.lower()] == value
    if parameter := environment.get("PROMETHEUS_QUERY_PARAMETERS"):
        name, _, value = parameter.partition("=")
        assert request.parameters[name] == [value]
    expects_token = "PROMETHEUS_BEARER_TOKEN_FILE" in environment
    assert request.headers.get("authorization") == (f"Bearer {TOKEN}" if expects_token else None)


def test_each_product_has_settings() -> None:
    """The page has the settings of all products that are known to be compatible."""
    assert len(PRODUCTS) == 8
    assert all("PROMETHEUS_ADDRESS" in environment for environment in PRODUCTS.values())
