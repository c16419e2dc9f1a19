"""Imports between packages point one way, and importing has no side effects."""

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "aggregator"

# A package imports only from the lines above it.
LAYERS = (
    ("errors", "pb"),
    ("observability",),
    ("util", "exposition"),
    ("models",),
    ("docker", "querier"),
    ("settings",),
    ("registry",),
    ("views",),
    ("lookup",),
    ("refresh",),
    ("mcp",),
    ("server",),
    ("app",),
    ("agent", "scrape"),
    ("cli",),
    ("__main__",),
)
LAYER_RANKS = {name: rank for rank, layer in enumerate(LAYERS) for name in layer}

# The packages that may read the environment variables.
ENVIRONMENT_READERS = {"cli"}

SOURCES = {
    ".".join(path.relative_to(PACKAGE).with_suffix("").parts): path
    for path in sorted(PACKAGE.rglob("*.py"))
    if "pb" not in path.relative_to(PACKAGE).parts and path != PACKAGE / "__init__.py"
}


@cache
def parse_source(module: str) -> ast.Module:
    """Return the parsed source of a module. Only the test process that runs this file parses them."""
    return ast.parse(SOURCES[module].read_text(encoding="utf-8"))


def iter_imported_modules(tree: ast.AST) -> Iterator[str]:
    """Yield the names of all modules that a source imports, at any level."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            if node.module == "aggregator":
                yield from (f"aggregator.{alias.name}" for alias in node.names if alias.name != "__version__")
            else:
                yield node.module or ""


def get_package(module: str) -> str:
    """Return the package or top-level module of a dotted name."""
    return module.removeprefix("aggregator.").split(".")[0]


def list_imported_packages(package: str) -> set[str]:
    """Return the packages that the modules of a package import."""
    return {
        get_package(name)
        for module in SOURCES
        if get_package(module) == package
        for name in iter_imported_modules(parse_source(module))
        if name.startswith("aggregator.")
    } - {package}


def test_every_package_has_a_layer() -> None:
    """A new package gets a line in the list of layers."""
    assert {get_package(module) for module in SOURCES} | {"pb"} == set(LAYER_RANKS)


@pytest.mark.parametrize("package", LAYER_RANKS)
def test_imports_point_one_way(package: str) -> None:
    """A package imports only packages of the layers above it."""
    imported = list_imported_packages(package)
    assert {other for other in imported if LAYER_RANKS[other] >= LAYER_RANKS[package]} == set()


def test_models_are_independent() -> None:
    """The domain model imports nothing of the sources, servers or settings."""
    assert list_imported_packages("models").isdisjoint({"querier", "server", "settings"})


def test_the_exposition_format_is_pure() -> None:
    """The text format needs nothing but the common errors, and no module that reads or writes."""
    modules = {
        name
        for module in SOURCES
        if get_package(module) == "exposition"
        for name in iter_imported_modules(parse_source(module))
        if not name.startswith("aggregator.exposition.")
    }
    assert modules == {"aggregator.errors", "collections.abc", "dataclasses", "io", "math", "msgspec", "re", "typing"}


@pytest.mark.parametrize("module", SOURCES)
def test_only_commands_read_the_environment(module: str) -> None:
    """Only the command line reads `os.environ`, and only inside functions."""
    tree = parse_source(module)
    readers = [
        node for node in ast.walk(tree) if isinstance(node, ast.Attribute) and node.attr in ("environ", "getenv")
    ]
    if get_package(module) not in ENVIRONMENT_READERS:
        assert not readers
    inside = {
        id(node) for function in ast.walk(tree) if isinstance(function, ast.FunctionDef) for node in ast.walk(function)
    }
    assert all(id(node) in inside for node in readers)


IMPORT_AUDIT_SCRIPT = """
import json, os, sys, threading

modules, foreign = json.loads(sys.argv[1])
for name in [*foreign, "aggregator"]:
    __import__(name)
threads = threading.active_count()
seen = []

def record(event, arguments):
    if event == "open" and not str(arguments[0]).endswith((".py", ".pyc")) and "__pycache__" not in str(arguments[0]):
        seen.append(f"{event} {arguments[0]}")
    if event.split(".")[0] in ("socket", "subprocess", "signal") or event in ("os.fork", "os.mkdir", "os.putenv"):
        seen.append(event)

sys.addaudithook(record)
for name in modules:
    __import__(name)
print(json.dumps([seen, threading.active_count() - threads]))
"""


def test_importing_has_no_side_effects() -> None:
    """Importing every module opens no file or socket, starts no thread or process, and needs no environment.

    The package itself is not checked: it reads its version from the installed metadata.
    """
    modules = [f"aggregator.{name}".removesuffix(".__init__") for name in SOURCES]
    foreign = {
        name
        for module in SOURCES
        for name in iter_imported_modules(parse_source(module))
        if not name.startswith("aggregator")
    }
    done = subprocess.run(
        [sys.executable, "-B", "-W", "error", "-c", IMPORT_AUDIT_SCRIPT, json.dumps([modules, sorted(foreign)])],
        cwd=PACKAGE.parent,
        env={},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [[], 0]


# What an agent does not need. cryptography is imported when certificates are configured.
HEAVY_PACKAGES = (
    "cryptography",
    "fastapi",
    "google.protobuf",
    "grpc",
    "kubernetes_asyncio",
    "opentelemetry",
    "requests",
)

LIST_HEAVY_IMPORTS_SCRIPT = """
import importlib, json, sys

packages, module = json.loads(sys.argv[1])
importlib.import_module(module)
print(json.dumps([name for name in packages if name in sys.modules]))
"""


@pytest.mark.parametrize(
    "module",
    ["aggregator.cli.agent", "aggregator.cli.main", "aggregator.server.http.server", "aggregator.settings.settings"],
)
def test_what_all_processes_share_is_light(module: str) -> None:
    """The command line, the HTTP server and the loading of settings import no library that only one process needs."""
    done = subprocess.run(
        [sys.executable, "-c", LIST_HEAVY_IMPORTS_SCRIPT, json.dumps([HEAVY_PACKAGES, module])],
        cwd=PACKAGE.parent,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert json.loads(done.stdout) == []
