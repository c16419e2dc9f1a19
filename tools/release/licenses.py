"""Which licenses published packages may have, and docs/licenses.md."""

from collections.abc import Sequence

from license_expression import AND, OR, ExpressionError, get_spdx_licensing

from tools.release.packages import (
    EXAMPLE_SERVICE_LOCK_FILE,
    BundledLibrary,
    Package,
    list_packages,
    list_page_packages,
)

PERMISSIVE_LICENSES = frozenset(
    {
        "Apache-2.0",
        "Apache-2.0 WITH LLVM-exception",
        "BSD-2-Clause",
        "BSD-3-Clause",
        "CNRI-Python",
        "ISC",
        "MIT",
        "MIT-0",
        "PSF-2.0",
        "Unicode-3.0",
        "Unicode-DFS-2016",
        "Zlib",
    }
)
# Packages with another license, and why they can be published with the program.
ACCEPTED_LICENSES = {
    "certifi": ("MPL-2.0", "the license covers the files of the package, which are published unchanged"),
}
_SPDX = get_spdx_licensing()

_PAGE_HEADER = """\
# Third-party licenses

Generated from the lock files and the metadata of the packages by `make generate`.

Aggregator has the license Apache-2.0. The wheel and the sdist contain no third-party code except in the
[web page](#web-page); NOTICE names data that is included. An installation, such as the container image, contains these
packages unchanged:

| Package | Version | License |
|---|---|---|
"""

_PAGE_FOOTER = """
## Web page

The web page is built from these packages:

| Package | Version | License |
|---|---|---|
{page_rows}
`/ui/licenses.txt` has the texts of the licenses of all packages whose code the page contains. The outlines of countries
in world-atlas are data of Natural Earth, which are in the public domain. Other packages of `ui/package-lock.json` are
for development and not published.

## Check

`make test` fails if the license of a package, or of a library that the SBOM in its wheel lists, is not permissive. The
only exceptions, none of which is the GPL or AGPL:

{accepted}
Also part of an installation:

* Libraries that are compiled into {libraries}. The SBOM lists them with their licenses.
* Libraries that are compiled into other wheels, which have no SBOM: BoringSSL, abseil, c-ares, re2 and zlib (grpcio),
  libuv (uvloop), llhttp (aiohttp, httptools), zstd (zstandard), libyaml (pyyaml). All have permissive licenses.
* Swagger UI (Apache-2.0) and ReDoc (MIT) in fastapi-offline.
* In the container image: Python (PSF-2.0), and the packages of Debian in its base image. Some of those are programs
  under the GPL, which the gateway does not use. Their licenses are in `/usr/share/doc/*/copyright`.

The texts of the licenses are in the folders `*.dist-info` of the packages. Packages that only `requirements-dev.lock`
names are not published.

The image of the example service, `demo/example_service/`, contains some of these packages, and
{example_packages}.

## Images of others

`deploy/compose/compose.yaml` names images of other projects. They are pulled from their publishers, are programs of
their own, and no part of this project: Grafana has the license AGPL-3.0, PostgreSQL its own permissive one, and
Prometheus, Alertmanager and the Apache HTTP server Apache-2.0. The exporters have the licenses Apache-2.0 or MIT.

## SBOM

`make sbom` writes the packages, also those of the web page, the libraries in their wheels, their licenses and their
dependencies to `build/sbom.cdx.json`, in the format CycloneDX 1.6. It does not list the packages of Debian in the
container image; scanners of images find those. Equal versions result in an equal file.
"""


def find_license_problems(packages: Sequence[Package]) -> list[str]:
    """Return a text for each package whose license is unknown, not permissive, and not accepted."""
    parts: list[Package | BundledLibrary] = []
    for package in packages:
        parts += [package, *package.bundled_libraries]
    return [
        f"{part.name} {part.version}: license {part.license} is not permissive"
        for part in parts
        if not is_permissive(part.license) and part.license != ACCEPTED_LICENSES.get(part.name, ("", ""))[0]
    ]


def is_permissive(expression: str) -> bool:
    """Return whether an SPDX expression allows the use under permissive licenses only."""
    try:
        parsed = _SPDX.parse(expression, validate=True)
    except ExpressionError:
        return False
    return parsed is not None and _is_permissive(parsed)


def render_licenses_page() -> str:
    """Return docs/licenses.md."""
    packages = list_packages()
    rows = (f"| {one.name} | {one.version} | {one.license} |\n" for one in packages)
    page_rows = "".join(f"| {one.name} | {one.version} | {one.license} |\n" for one in list_page_packages())
    accepted = "".join(f"* {name}, {text}: {reason}.\n" for name, (text, reason) in ACCEPTED_LICENSES.items())
    libraries = " and ".join(one.name for one in packages if one.bundled_libraries)
    others = [one for one in list_packages(EXAMPLE_SERVICE_LOCK_FILE) if one not in packages]
    example_packages = " and ".join(f"{one.name} {one.version} ({one.license})" for one in others)
    footer = _PAGE_FOOTER.format(
        page_rows=page_rows, accepted=accepted, libraries=libraries, example_packages=example_packages
    )
    return _PAGE_HEADER + "".join(rows) + footer


def _is_permissive(parsed: object) -> bool:
    if isinstance(parsed, AND):
        return all(map(_is_permissive, parsed.args))
    if isinstance(parsed, OR):
        return any(map(_is_permissive, parsed.args))
    # A license with an exception is not in the list.
    return str(parsed) in PERMISSIVE_LICENSES
