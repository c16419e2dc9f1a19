"""Input does not change the PromQL that is sent, and label values are decoded unchanged."""

import ast
import json
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from aggregator.querier.prometheus.client import PrometheusClient, QueryLimits, UpstreamAddress
from aggregator.querier.prometheus.decode import create_decoder
from demo.prometheus import ScrapedExposition, run_prometheus_with_data
from tests.fuzz.fuzz_settings import EXAMPLE_FACTOR, build_random
from tests.integration import misbehaving_upstreams
from tests.integration.gateway_process import run_gateway, wait_until
from tests.repository.test_imports import SOURCES, iter_imported_modules, parse_source
from tests.support.catalog import CATALOG
from tests.support.http_client import send_request

AT_SECONDS = 1795208200.0
HOSTILE_TEXT = '"} or vector(1) #'
EMPTY_RESPONSE = json.dumps({"status": "success", "data": {"resultType": "vector", "result": []}}).encode()
PROMQL_MODULE = "aggregator.models.catalog.promql"


def test_expressions_are_built_before_any_input() -> None:
    """Only the catalog builds PromQL, and only while its modules are imported: no other function calls a builder."""
    promql_modules = {
        module
        for module in SOURCES
        if any(name == PROMQL_MODULE for name in iter_imported_modules(parse_source(module)))
        and not all(name.isupper() for name in find_promql_names(parse_source(module)))
    }
    assert {module.rpartition(".")[0] for module in promql_modules} == {"models.catalog"}
    builders = set().union(*(find_promql_names(parse_source(module)) for module in promql_modules))
    functions = [
        function
        for module in promql_modules
        for function in ast.walk(parse_source(module))
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    catalog_builders: set[str] = set()
    while found := {f.name for f in functions if find_calls(f) & (builders | catalog_builders)} - catalog_builders:
        catalog_builders |= found
    for module in SOURCES:
        for function in ast.walk(parse_source(module)):
            if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef) and function.name not in catalog_builders:
                assert not find_calls(function) & catalog_builders, (module, function.name)


def find_promql_names(tree: ast.Module) -> set[str]:
    """Return the names that a module imports to build expressions; upper-case names are constants."""
    imports = [node for node in tree.body if isinstance(node, ast.ImportFrom) and node.module == PROMQL_MODULE]
    return {alias.name for node in imports for alias in node.names}


def find_calls(function: ast.AST) -> set[str]:
    """Return the names of functions that a function calls."""
    calls = [call for call in ast.walk(function) if isinstance(call, ast.Call)]
    return {call.func.id for call in calls if isinstance(call.func, ast.Name)}


def test_input_does_not_change_the_queries(tmp_path: Path) -> None:
    """Neither settings nor requests change the PromQL that the upstream gets."""
    with misbehaving_upstreams.run_fixed_upstream(200, EMPTY_RESPONSE, {"Content-Type": "application/json"}) as (
        address,
        requests,
    ):
        settings = {"PROMETHEUS_ADDRESS": f"http://{address}", "CLUSTER_NAME": HOSTILE_TEXT}
        with run_gateway(tmp_path, **settings) as gateway:
            wait_until(lambda: len(requests) >= len(CATALOG), "a refresh")
            headers = [("Cache-Control", "no-cache"), ("Cookie", HOSTILE_TEXT), ("X-Cluster", HOSTILE_TEXT)]
            for target in (
                "/%22%7D%20or%20vector(1)",
                "/?layout=2025&cluster=%22%7D&query=up",
                "/api/v1/query?query=up",
            ):
                assert send_request(gateway.http_port, target, headers=headers).status < 500
            request_count = len(requests)
            wait_until(lambda: len(requests) >= request_count + len(CATALOG), "another refresh")
    queries = {
        query for line in list(requests) for query in parse_qs(urlsplit(line.split(" ")[0]).query).get("query", [])
    }
    assert queries == {row.expression.text for row in CATALOG}


def generate_texts(count: int) -> list[str]:
    """Return random texts of Unicode characters, with many characters that have a meaning in text formats."""
    random = build_random("labels")
    special_characters = "\"\\\n{}[],=~#'`\t\r\x01\x7f\x85\u2028\ufeff\ufffd\U0010ffff\u202e<&>%$"
    texts = []
    for _ in range(count):
        length = random.randint(1, 12)
        points = (
            random.choice([random.randint(1, 0x7F), random.randint(1, 0xD7FF), random.randint(0xE000, 0x10FFFF)])
            for _ in range(length)
        )
        texts.append("".join(random.choice([chr(point), random.choice(special_characters)]) for point in points))
    return texts


def test_label_values_are_decoded_unchanged() -> None:
    """Any label value passes through a real Prometheus and the decoder unchanged."""
    label_values = generate_texts(600 * EXAMPLE_FACTOR)
    lines = []
    for number, text in enumerate(label_values):
        escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
        lines.append(f'm{{n="{number}",text="{escaped}"}} 1')
    with run_prometheus_with_data([ScrapedExposition("\n".join(lines), AT_SECONDS)]) as url:
        client = PrometheusClient(
            UpstreamAddress(url), QueryLimits(query_timeout_seconds=10, max_response_bytes=10**8, max_connections=1)
        )
        samples = create_decoder(("n", "text"))(client.query("m", AT_SECONDS + 1).decompress()).samples
        client.close()
    assert {int(sample.labels.n): sample.labels.text for sample in samples} == dict(enumerate(label_values))
