"""Obtains the types of Grafana's dashboards and the TypeScript compiler, in the versions of npm/grafana-schema.

`python -m tools.parts.grafana_schema` downloads them if they are not in the cache, and prints their folder.
"""

import contextlib
import hashlib
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from demo.cache import find_cache_folder
from tools.parts.go_module import BuildError

PACKAGE_FOLDER = Path(__file__).parent / "npm" / "grafana-schema"
_FILES = ("package.json", "package-lock.json")
_DIGEST_BYTES = 6


def obtain_grafana_schema() -> Path:
    """Return the folder in the cache that has node_modules; download the packages first if necessary."""
    content = b"".join((PACKAGE_FOLDER / name).read_bytes() for name in _FILES)
    digest = hashlib.blake2b(content, digest_size=_DIGEST_BYTES).hexdigest()
    folder = find_cache_folder() / f"grafana-schema-{digest}"
    if not folder.is_dir():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent) as work:
            out = Path(work) / "out"
            out.mkdir()
            for name in _FILES:
                shutil.copy(PACKAGE_FOLDER / name, out)
            _install(out)
            # Another process may have been faster. Both have the same files, and the rename is atomic.
            with contextlib.suppress(OSError):
                out.rename(folder)
    return folder


def _install(folder: Path) -> None:
    npm = shutil.which("npm")
    if npm is None:
        raise BuildError("obtain @grafana/schema: expected Node.js 20 or newer, got no npm on PATH")
    command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    completed = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if completed.returncode != 0:
        raise BuildError(f"npm ci: {completed.stderr.strip()[-1000:]}")


def main() -> None:
    """Obtain the packages and print their folder."""
    try:
        print(obtain_grafana_schema())
    except BuildError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
