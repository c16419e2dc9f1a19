"""The documentation quotes log lines and finding codes as the program writes them."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from aggregator.cli import main
from aggregator.observability.metrics import AUTH_FAILURE_REASONS
from demo.recording import SHIPPED_RECORDING

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "aggregator"
QUOTING_FILES = [ROOT / "README.md", *ROOT.glob("docs/*.md"), *ROOT.glob("deploy/monitoring/rules/*.yaml")]
_LOG_LINE = re.compile(r"log\s+line\s+[`\"]([^`\"]+)[`\"]")


def iter_calls(name_suffix: str) -> Iterator[ast.Call]:
    """Yield the calls in the package whose function has a name with this ending."""
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func).endswith(name_suffix):
                yield node


def list_string_constants() -> set[str]:
    """Return all string constants of the package."""
    return {
        node.value
        for path in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }


def test_quoted_log_lines_exist() -> None:
    """Each log line that a page or an alert quotes is a string in the package."""
    quoted = {line for path in QUOTING_FILES for line in _LOG_LINE.findall(path.read_text(encoding="utf-8"))}
    assert len(quoted) > 2
    assert quoted - list_string_constants() == set()


def test_every_reason_of_a_rejected_token_is_documented() -> None:
    """docs/tokens.md explains each reason that aggregator_auth_failures_total counts."""
    page = (ROOT / "docs" / "tokens.md").read_text(encoding="utf-8")
    table = page.partition("## When tokens are rejected")[2].partition("\n## ")[0]
    documented = {
        reason
        for line in table.splitlines()
        if line.startswith("| ")
        for reason in line.split("|")[1].strip().split(", ")
    }
    assert documented - {"Reason"} == set(AUTH_FAILURE_REASONS)


def test_every_metric_of_the_scrape_server_is_documented() -> None:
    """Every metric that the scrape server makes itself is in docs/agents.md, and no other one."""
    sources = "".join(path.read_text(encoding="utf-8") for path in (PACKAGE / "scrape").glob("*.py"))
    made = set(re.findall(r'"(aggregator_[a-z_]+)"', sources))
    documented = re.findall(r"`(aggregator_[a-z_]+)[` ]", (ROOT / "docs" / "agents.md").read_text(encoding="utf-8"))
    assert made == {name for name in documented if name != "aggregator_config"}


def test_every_finding_code_is_documented() -> None:
    """docs/troubleshooting.md lists the codes of all problems that the doctor reports."""
    codes = {
        call.args[0].value
        for call in iter_calls("Finding")
        if call.args and isinstance(call.args[0], ast.Constant) and isinstance(call.args[0].value, str)
    }
    page = (ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
    assert len(codes) > 10
    assert {code for code in codes if f"`{code}`" not in page} == set()


def test_the_tree_in_the_readme_is_that_of_the_shipped_recording(capsys: pytest.CaptureFixture[str]) -> None:
    """README.md shows lines that `aggregator show` prints for demo/fleet.recording, some of them cut."""
    tree = re.search(r"```\n(icos-.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    assert tree
    arguments = main.build_parser().parse_args(["show"])
    assert arguments.run(arguments, {"PROMETHEUS_ADDRESS": f"replay:{SHIPPED_RECORDING}"}) == 0
    printed = capsys.readouterr().out.splitlines()
    for line in tree[1].splitlines():
        assert any(each.startswith(line.removesuffix("…")) for each in printed), line
