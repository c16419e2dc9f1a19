"""Obtains the programs of the tests, which have no network: `python -m tests.docker.programs`.

The build of the newest Docker Engine takes some minutes; without Go, or with `DOCKER_ENGINES=20.10`, it is left out.
"""

import os
import sys

from demo.debian_packages import PackageError
from tools.parts.debian import obtain_podman, obtain_systemd
from tools.parts.docker import obtain_engine, select_versions
from tools.parts.go_module import BuildError


def main() -> None:
    """Obtain the programs that are not in the cache."""
    try:
        for version in select_versions(os.environ):
            obtain_engine(version, print)
        obtain_systemd(print)
        obtain_podman(print)
    except (PackageError, BuildError) as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
