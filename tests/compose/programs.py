"""Obtains the programs of the tests, which have no network: `python -m tests.compose.programs`."""

import sys

from demo.alertmanager import AlertmanagerMissingError, obtain_alertmanager
from demo.debian_packages import PackageError
from demo.prometheus import PrometheusMissingError, obtain_prometheus
from demo.stack.packages import obtain_stack_programs
from tests.compose.engine import ENGINE_VERSION
from tools.parts.compose import obtain_compose
from tools.parts.docker import obtain_engine
from tools.parts.go_module import BuildError


def main() -> None:
    """Obtain the programs that are not in the cache."""
    try:
        obtain_stack_programs(print)
        obtain_prometheus(print)
        obtain_alertmanager(print)
        obtain_engine(ENGINE_VERSION, print)
        obtain_compose(print)
    except (PackageError, PrometheusMissingError, AlertmanagerMissingError, BuildError) as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
