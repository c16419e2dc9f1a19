"""Imports point one way, and importing does nothing; read from the source."""

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "aggregator"

# A module may import from what stands in lines above its own; modules of one package, from each other.
LAYERS = (
    ("coding", "errors", "grants", "own_metrics", "pb", "portions", "ports", "requests_seen", "secrets", "stopping"),
    ("calls_seen", "logs"),
    ("process", "telemetry"),
    ("tracing",),
    ("querier", "certificates"),
    ("recording",),
    ("models", "settings"),
    ("quality",),
    ("views",),
    ("lookup",),
    ("documents",),
    ("snapshot",),
    ("harvest", "report", "vanished"),
    ("take",),
    ("refresh", "sources"),
    ("server",),
    ("assembly",),
    ("doctor", "gateway", "record", "show", "etim_client", "health"),
    ("cli",),
    ("start",),
    ("__main__",),
)
RANKS = {name: rank for rank, layer in enumerate(LAYERS) for name in layer}

# The only places that look at the environment: where the program begins.
MAY_READ_THE_ENVIRONMENT = {"start", "etim_client", "health"}

SOURCES = {
    ".".join(path.relative_to(PACKAGE).with_suffix("").parts): ast.parse(path.read_text(encoding="utf-8"))
    for path in sorted(PACKAGE.rglob("*.py"))
    if "pb" not in path.relative_to(PACKAGE).parts and path != PACKAGE / "__init__.py"
}


def imported(tree: ast.AST) -> Iterator[str]:
    """Yield the names of all modules that a source imports, wherever in it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            if node.module == "aggregator":
                yield from (f"aggregator.{alias.name}" for alias in node.names if alias.name != "__version__")
            else:
                yield node.module or ""


def part_of(module: str) -> str:
    """Return the package or module right below ours that a dotted name is of."""
    return module.removeprefix("aggregator.").split(".")[0]


@pytest.mark.parametrize("module", SOURCES)
def test_imports_point_one_way(module: str) -> None:
    """Server → refresh → take → snapshot → views → models → querier, and never back."""
    own = part_of(module)
    assert own in RANKS, f"{own} has no place among the layers yet"
    for other in {part_of(name) for name in imported(SOURCES[module]) if name.startswith("aggregator.")}:
        assert other == own or RANKS[other] < RANKS[own], f"{module} imports {other}"


@pytest.mark.parametrize("module", SOURCES)
def test_only_the_beginning_reads_the_environment(module: str) -> None:
    """No module but the programs themselves knows `os.environ`, and they only inside a function."""
    tree = SOURCES[module]
    readers = [
        node for node in ast.walk(tree) if isinstance(node, ast.Attribute) and node.attr in ("environ", "getenv")
    ]
    if part_of(module) not in MAY_READ_THE_ENVIRONMENT:
        assert not readers
    inside = {
        id(node) for function in ast.walk(tree) if isinstance(function, ast.FunctionDef) for node in ast.walk(function)
    }
    assert all(id(node) in inside for node in readers)


WATCHED_IMPORT = """
import json, os, sys, threading

modules, foreign = json.loads(sys.argv[1])
for name in [*foreign, "aggregator"]:
    __import__(name)
threads = threading.active_count()
seen = []

def watch(event, arguments):
    if event == "open" and not str(arguments[0]).endswith((".py", ".pyc")) and "__pycache__" not in str(arguments[0]):
        seen.append(f"{event} {arguments[0]}")
    if event.split(".")[0] in ("socket", "subprocess", "signal") or event in ("os.fork", "os.mkdir", "os.putenv"):
        seen.append(event)

sys.addaudithook(watch)
for name in modules:
    __import__(name)
print(json.dumps([seen, threading.active_count() - threads]))
"""


def test_importing_does_nothing() -> None:
    """Importing every module opens no file or socket, starts no thread or process, and needs no environment.

    The package itself is not looked at: it reads its version from what is installed.
    """
    modules = [f"aggregator.{name}".removesuffix(".__init__") for name in SOURCES]
    foreign = {name for tree in SOURCES.values() for name in imported(tree) if not name.startswith("aggregator")}
    done = subprocess.run(
        [sys.executable, "-B", "-W", "error", "-c", WATCHED_IMPORT, json.dumps([modules, sorted(foreign)])],
        cwd=PACKAGE.parent,
        env={},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [[], 0]
