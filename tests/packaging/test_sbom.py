"""The SBOM in the format CycloneDX."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tools.release import packages
from tools.release.sbom import build_sbom, render_sbom

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def sbom_text(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The file that `make sbom` writes."""
    path = tmp_path_factory.mktemp("sbom") / "build" / "sbom.cdx.json"
    subprocess.run([sys.executable, "-m", "tools.release.sbom", path], cwd=ROOT, check=True, timeout=60)
    return path.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def sbom(sbom_text: str) -> dict[str, Any]:
    """The decoded file."""
    document: dict[str, Any] = json.loads(sbom_text)
    return document


def test_the_sbom_follows_the_schema(sbom_text: str) -> None:
    """The file is valid under the strict schema of CycloneDX 1.6."""
    # Importing the validator takes as long as all tests of a module, and each test process imports this module.
    from cyclonedx.schema import SchemaVersion  # noqa: PLC0415
    from cyclonedx.validation.json import JsonStrictValidator  # noqa: PLC0415

    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(sbom_text) is None


def test_the_sbom_lists_every_package(sbom: dict[str, Any]) -> None:
    """The components are the packages of both lock files with version, package URL and license."""
    assert {(one["name"], one["version"], one["purl"]) for one in sbom["components"]} == {
        *((one.name, one.version, f"pkg:pypi/{one.name}@{one.version}") for one in packages.list_packages()),
        *(
            (one.name, one.version, f"pkg:npm/{one.name.replace('@', '%40')}@{one.version}")
            for one in packages.list_page_packages()
        ),
    }
    assert all(one["licenses"] for one in sbom["components"])


def test_the_sbom_lists_bundled_libraries(sbom: dict[str, Any]) -> None:
    """Libraries that are compiled into a wheel are components of its package, such as OpenSSL of cryptography."""
    (cryptography,) = (one for one in sbom["components"] if one["name"] == "cryptography")
    assert "openssl" in {library["name"] for library in cryptography["components"]}


def test_the_sbom_describes_the_program(sbom: dict[str, Any]) -> None:
    """The subject is the program at its version; it depends on the packages of pyproject.toml and ui/package.json."""
    program = sbom["metadata"]["component"]
    assert (program["name"], program["version"]) == ("aggregator", packages.read_project_version())
    dependencies = {one["ref"]: one.get("dependsOn", []) for one in sbom["dependencies"]}
    direct = {ref.rpartition("@")[0] for ref in dependencies[program["bom-ref"]]}
    page_dependencies = json.loads((ROOT / "ui" / "package.json").read_bytes())["dependencies"]
    assert direct == {*packages.list_project_dependencies(), *page_dependencies}


def test_every_package_is_a_dependency(sbom: dict[str, Any]) -> None:
    """The dependencies lead from the program to every package."""
    dependencies = {one["ref"]: one.get("dependsOn", []) for one in sbom["dependencies"]}
    reached: set[str] = set()
    pending = [sbom["metadata"]["component"]["bom-ref"]]
    while pending:
        reference = pending.pop()
        if reference not in reached:
            reached.add(reference)
            pending += dependencies[reference]
    assert {one["bom-ref"] for one in sbom["components"]} <= reached


def test_the_sbom_is_reproducible(sbom_text: str) -> None:
    """Another run writes the same file."""
    bom = build_sbom(
        [*packages.list_packages(), *packages.list_page_packages()],
        packages.list_direct_packages(),
        packages.read_project_version(),
    )
    assert render_sbom(bom) == sbom_text
