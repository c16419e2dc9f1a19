"""Obtains Chromium: from PATH, otherwise from the package manager of a Debian or Ubuntu, unpacked and not installed.

`python -m tools.parts.chromium` downloads it if it is neither on PATH nor in the cache, and prints its path.
"""

import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from demo.debian_packages import PackageError, build_library_path, find_missing_libraries, obtain_cached_packages
from tools.parts.go_module import LogProgress

PROGRAMS = ("chromium", "google-chrome-stable", "google-chrome")
DEBIAN_PACKAGES = ("chromium", "chromium-common")


@dataclass(frozen=True)
class ChromiumProgram:
    """Chromium, and the variables that it needs."""

    path: Path
    environment: Mapping[str, str] = field(default_factory=dict)


def obtain_chromium(log_progress: LogProgress = lambda _text: None) -> ChromiumProgram:
    """Return Chromium; download it first if necessary. Raises PackageError if that fails."""
    installed = next(filter(None, map(shutil.which, PROGRAMS)), None)
    if installed is not None:
        return ChromiumProgram(Path(installed))
    root = obtain_cached_packages(
        "chromium-debian",
        lambda: [*DEBIAN_PACKAGES, *find_missing_libraries(DEBIAN_PACKAGES, log_progress)],
        log_progress,
    )
    return ChromiumProgram(root / "usr/lib/chromium/chromium", {"LD_LIBRARY_PATH": build_library_path(root)})


def main() -> None:
    """Obtain Chromium and print its path."""
    try:
        print(obtain_chromium(print).path)
    except PackageError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
