"""The packages that are published with the program: lock files, and the metadata of the same packages in .venv.

The lock file of the web page has the metadata of its packages itself.
"""

import json
import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from packageurl import PackageURL
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tools.code import ROOT

LOCK_FILE = ROOT / "requirements.lock"
PAGE_LOCK_FILE = ROOT / "ui" / "package-lock.json"
EXAMPLE_SERVICE_LOCK_FILE = ROOT / "demo" / "example_service" / "requirements.lock"
# Metadata without an SPDX expression: what the fields License and Classifier mean in SPDX.
_SPDX_EXPRESSIONS = {
    "3-Clause BSD License": "BSD-3-Clause",
    "Apache 2.0": "Apache-2.0",
    "License :: OSI Approved :: MIT License": "MIT",
    "MIT License": "MIT",
}
# Libraries whose entry in the SBOM of a wheel has no license.
_LICENSES_OF_LIBRARIES = {"openssl": "Apache-2.0"}


@dataclass(frozen=True, order=True)
class BundledLibrary:
    """A library that is compiled into a wheel, as an SBOM in the wheel describes it (PEP 770)."""

    name: str
    version: str
    license: str
    purl: str


@dataclass(frozen=True)
class Package:
    """A package at its locked version; the license is an SPDX expression, or the text that the package has instead.

    `dependencies` are names of the same ecosystem, which is the type in package URLs.
    """

    name: str
    version: str
    license: str
    homepage: str
    dependencies: frozenset[str]
    bundled_libraries: tuple[BundledLibrary, ...] = ()
    ecosystem: str = "pypi"

    @property
    def purl(self) -> PackageURL:
        """The package URL."""
        namespace, _, name = self.name.rpartition("/")
        return PackageURL(self.ecosystem, namespace or None, name, self.version)


def read_project_version() -> str:
    """Return the version in pyproject.toml."""
    version: str = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    return version


def list_project_dependencies() -> list[str]:
    """Return the names of the packages that the program depends on directly."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return [canonicalize_name(Requirement(text).name) for text in project["dependencies"]]


def list_packages(lock_file: Path = LOCK_FILE) -> list[Package]:
    """Return all packages of a lock file, by name."""
    locked = dict(_list_locked_versions(lock_file.read_text(encoding="utf-8")))
    return [_describe_package(name, version, frozenset(locked)) for name, version in sorted(locked.items())]


def list_page_packages() -> list[Package]:
    """Return all packages from which the web page is built, without those for development, by name."""
    locked = json.loads(PAGE_LOCK_FILE.read_bytes())["packages"]
    return [
        Package(
            name.rpartition("node_modules/")[2],
            entry["version"],
            entry.get("license", "none"),
            "",
            frozenset(entry.get("dependencies", ())),
            ecosystem="npm",
        )
        for name, entry in sorted(locked.items())
        if name and not entry.get("dev")
    ]


def list_direct_packages() -> list[Package]:
    """Return the packages that the program or the web page depends on directly."""
    page_dependencies = json.loads(PAGE_LOCK_FILE.read_bytes())["packages"][""]["dependencies"]
    project_dependencies = set(list_project_dependencies())
    return [
        *(one for one in list_packages() if one.name in project_dependencies),
        *(one for one in list_page_packages() if one.name in page_dependencies),
    ]


def find_version_differences(lock_file: Path = LOCK_FILE) -> list[str]:
    """Return a text for each package of a lock file whose installed version is not the locked one."""
    locked = _list_locked_versions(lock_file.read_text(encoding="utf-8"))
    return [
        f"{name}: locked {version}, installed {installed}"
        for name, version in locked
        if (installed := _find_distribution(name).version) != version
    ]


def _list_locked_versions(lock_text: str) -> Iterator[tuple[str, str]]:
    for line in re.findall(r"^[\w.-]+==.*?(?= \\$|$)", lock_text, re.MULTILINE):
        requirement = Requirement(line)
        if requirement.marker is None or requirement.marker.evaluate():
            (specifier,) = requirement.specifier
            yield canonicalize_name(requirement.name), specifier.version


def _describe_package(name: str, version: str, locked: frozenset[str]) -> Package:
    installed = _find_distribution(name)
    requirements = [Requirement(text) for text in installed.requires or ()]
    dependencies = frozenset(
        canonicalize_name(one.name) for one in requirements if one.marker is None or one.marker.evaluate({"extra": ""})
    )
    return Package(
        name,
        version,
        _find_license(installed),
        _find_homepage(installed),
        dependencies & locked,
        tuple(sorted(set(_list_bundled_libraries(installed)))),
    )


def _list_bundled_libraries(installed: Distribution) -> Iterator[BundledLibrary]:
    for file in installed.files or ():
        if ".dist-info/sboms/" not in str(file):
            continue
        for component in json.loads(file.read_text(encoding="utf-8"))["components"]:
            licenses = component.get("licenses") or [{}]
            text = licenses[0].get("expression") or _LICENSES_OF_LIBRARIES.get(component["name"], "none")
            yield BundledLibrary(component["name"], component["version"], text, component["purl"])


def _find_distribution(name: str) -> Distribution:
    try:
        return distribution(name)
    except PackageNotFoundError:
        raise SystemExit(f"{name} of a lock file is not installed in .venv: run `make setup`") from None


def _find_license(installed: Distribution) -> str:
    classifiers = [text for text in _list_values(installed, "Classifier") if text.startswith("License :: ")]
    candidates = [*_list_values(installed, "License-Expression"), *_list_values(installed, "License"), *classifiers]
    text = next(filter(None, candidates), "none")
    return _SPDX_EXPRESSIONS.get(text, text)


def _find_homepage(installed: Distribution) -> str:
    urls = dict(entry.lower().split(", ", 1) for entry in _list_values(installed, "Project-URL"))
    labels = ("homepage", "repository", "source", "source code", "github")
    candidates = [*_list_values(installed, "Home-page"), *(urls.get(label, "") for label in labels)]
    return next(filter(None, candidates), "")


def _list_values(installed: Distribution, field: str) -> list[str]:
    return installed.metadata.get_all(field) or []
