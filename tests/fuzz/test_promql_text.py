"""What is asked of Prometheus is fixed, whatever comes in; what it answers arrives as it was, whatever text it is."""

import ast
import json
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from aggregator.models.catalog import CATALOG
from aggregator.querier.client import Address, Client, Limits
from aggregator.querier.decode import decoder
from demo.prometheus import Moment, holding
from tests.fuzz.effort import TIMES, dice
from tests.integration import upstream
from tests.integration.process import running, until
from tests.server.exchange import ask
from tests.test_imports import SOURCES, imported

AT_SECONDS = 1795208200.0
HOSTILE = '"} or vector(1) #'
NOTHING = json.dumps({"status": "success", "data": {"resultType": "vector", "result": []}}).encode()
# The modules that may make expressions; all others only hand on what the catalog's rows hold.
MAKERS = {"models.catalog", "models.row"}


def test_expressions_are_made_before_anything_comes_in() -> None:
    """Only the catalog makes PromQL, and it does so when it is imported: it has no function that could do it later."""
    found = {
        module
        for module, tree in SOURCES.items()
        if any(
            name == "aggregator.querier.promql" or name.startswith("aggregator.querier.promql.")
            for name in imported(tree)
        )
    }
    assert found == MAKERS
    functions = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
    assert not [node for node in ast.walk(SOURCES["models.catalog"]) if isinstance(node, functions)]
    calls = [node.func for node in ast.walk(SOURCES["models.row"]) if isinstance(node, ast.Call)]
    assert "Expression" not in {function.id for function in calls if isinstance(function, ast.Name)}


def test_nothing_that_comes_in_is_asked(tmp_path: Path) -> None:
    """Neither settings nor requests change a letter of the PromQL that the upstream gets."""
    with upstream.answering(200, NOTHING, {"Content-Type": "application/json"}) as (address, asked):
        settings = {"PROMETHEUS_ADDRESS": f"http://{address}", "CLUSTER_NAME": HOSTILE}
        with running(tmp_path, **settings) as gateway:
            until(lambda: len(asked) >= len(CATALOG), "a refresh")
            headers = [("Cache-Control", "no-cache"), ("Cookie", HOSTILE), ("X-Cluster", HOSTILE)]
            for target in (
                "/%22%7D%20or%20vector(1)",
                "/?layout=2025&cluster=%22%7D&query=up",
                "/api/v1/query?query=up",
            ):
                assert ask(gateway.http, target, headers=headers).status < 500
            known = len(asked)
            until(lambda: len(asked) >= known + len(CATALOG), "another refresh")
    queries = {query for line in list(asked) for query in parse_qs(urlsplit(line.split(" ")[0]).query).get("query", [])}
    assert queries == {row.ask.text for row in CATALOG}


def texts(number: int) -> list[str]:
    """Return texts of characters from everywhere in Unicode, most often of those that formats are made of."""
    random = dice("labels")
    awkward = "\"\\\n{}[],=~#'`\t\r\x01\x7f\x85\u2028\ufeff\ufffd\U0010ffff\u202e<&>%$"
    drawn = []
    for _ in range(number):
        length = random.randint(1, 12)
        points = (
            random.choice([random.randint(1, 0x7F), random.randint(1, 0xD7FF), random.randint(0xE000, 0x10FFFF)])
            for _ in range(length)
        )
        drawn.append("".join(random.choice([chr(point), random.choice(awkward)]) for point in points))
    return drawn


def test_any_label_value_arrives() -> None:
    """Whatever text a label holds, it comes out of a real Prometheus and our decoder as it went in."""
    given = texts(600 * TIMES)
    lines = []
    for number, text in enumerate(given):
        escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
        lines.append(f'm{{n="{number}",text="{escaped}"}} 1')
    with holding([Moment("\n".join(lines), AT_SECONDS)]) as url:
        client = Client(Address(url), Limits(query_seconds=10, answer_bytes=10**8, connections=1))
        samples = decoder(("n", "text"))(client.ask("m", AT_SECONDS + 1)).samples
        client.close()
    assert {int(sample.metric.n): sample.metric.text for sample in samples} == dict(enumerate(given))
