"""Writes the SBOM of an installation in CycloneDX 1.6: python -m tools.release.sbom FILE.

The SBOM depends only on pyproject.toml, the lock files and the packages: it has no time, and its serial number is a
hash of its content.
"""

import json
import sys
import uuid
from collections.abc import Sequence
from pathlib import Path

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model import ExternalReference, ExternalReferenceType, XsUri
from cyclonedx.model.bom import Bom, BomMetaData
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL

from tools.release.packages import (
    BundledLibrary,
    Package,
    list_direct_packages,
    list_packages,
    list_page_packages,
    read_project_version,
)

_LICENSES = LicenseFactory()


def build_sbom(packages: Sequence[Package], direct_packages: Sequence[Package], version: str) -> Bom:
    """Return the SBOM of the program with these packages, the libraries in their wheels, and the dependencies."""
    program = Component(
        name="aggregator",
        version=version,
        type=ComponentType.APPLICATION,
        licenses=[_LICENSES.make_from_string("Apache-2.0")],
        purl=PackageURL("pypi", name="aggregator", version=version),
        bom_ref="aggregator",
    )
    components = {(package.ecosystem, package.name): _build_component(package) for package in packages}
    bom = Bom(metadata=BomMetaData(component=program), components=components.values())
    bom.register_dependency(program, [components[one.ecosystem, one.name] for one in direct_packages])
    for package in packages:
        dependencies = [components[package.ecosystem, name] for name in package.dependencies]
        bom.register_dependency(components[package.ecosystem, package.name], dependencies)
    return bom


def render_sbom(bom: Bom) -> str:
    """Return the SBOM as JSON, without a time, and with a serial number that depends on the content."""
    document = json.loads(JsonV1Dot6(bom).output_as_string())
    del document["metadata"]["timestamp"], document["serialNumber"]
    document["serialNumber"] = uuid.uuid5(uuid.NAMESPACE_OID, json.dumps(document)).urn
    return json.dumps(document, indent=2) + "\n"


def _build_component(package: Package) -> Component:
    homepage = ExternalReference(type=ExternalReferenceType.WEBSITE, url=XsUri(package.homepage))
    return Component(
        name=package.name,
        version=package.version,
        licenses=[_LICENSES.make_from_string(package.license)],
        purl=package.purl,
        bom_ref=f"{package.name}@{package.version}",
        external_references=[homepage] if package.homepage else [],
        components=[_build_library(package, library) for library in package.bundled_libraries],
    )


def _build_library(package: Package, library: BundledLibrary) -> Component:
    return Component(
        name=library.name,
        version=library.version,
        licenses=[_LICENSES.make_from_string(library.license)],
        purl=PackageURL.from_string(library.purl),
        bom_ref=f"{package.name}@{package.version}/{library.name}@{library.version}",
    )


def main() -> None:
    """Write the SBOM to the file that the argument names."""
    bom = build_sbom([*list_packages(), *list_page_packages()], list_direct_packages(), read_project_version())
    path = Path(sys.argv[1])
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(render_sbom(bom), encoding="utf-8")


if __name__ == "__main__":
    main()
