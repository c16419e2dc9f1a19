"""Builds Docker Compose from source, in the version of go/compose/go.mod.

`python -m tools.parts.compose` builds it if it is not in the cache, and prints its path. The first build takes some
minutes.
"""

import sys
from pathlib import Path

from tools.parts.go_module import BuildError, GoModule, LogProgress

COMPOSE = GoModule("compose", "github.com/docker/compose/v2")


def obtain_compose(log_progress: LogProgress = lambda _text: None) -> Path:
    """Return the program from the cache; build it first if necessary."""

    def build(out: Path) -> None:
        log_progress(f"building Docker Compose {COMPOSE.version} (once; the result is cached)")
        version = {f"{COMPOSE.main}/internal.Version": COMPOSE.version}
        COMPOSE.build_program(out / "docker-compose", f"{COMPOSE.main}/cmd", version, log_progress)

    return COMPOSE.obtain_programs(build) / "docker-compose"


def main() -> None:
    """Obtain the program and print its path."""
    try:
        print(obtain_compose(print))
    except BuildError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
