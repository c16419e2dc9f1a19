"""Obtains all programs of the stack, so that the tests do not wait for downloads: `python -m tests.stack.programs`."""

import shutil
import sys

from demo.alertmanager import AlertmanagerMissingError, obtain_alertmanager
from demo.debian_packages import PackageError
from demo.prometheus import PrometheusMissingError, obtain_prometheus
from demo.stack.packages import obtain_stack_programs
from tools.parts.compose import obtain_compose
from tools.parts.go_module import BuildError


def main() -> None:
    """Obtain the programs that are not in the cache; without Go, all but Docker Compose."""
    try:
        obtain_stack_programs(print)
        obtain_prometheus(print)
        obtain_alertmanager(print)
        if shutil.which("go"):
            obtain_compose(print)
    except (PackageError, PrometheusMissingError, AlertmanagerMissingError, BuildError) as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
