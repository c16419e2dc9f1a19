"""Obtains all programs of the stack, so that the tests do not wait for downloads: `python -m tests.stack.programs`."""

import sys

from demo.alertmanager import AlertmanagerMissingError, obtain_alertmanager
from demo.debian_packages import PackageError
from demo.prometheus import PrometheusMissingError, obtain_prometheus
from demo.stack.packages import obtain_stack_programs


def main() -> None:
    """Obtain the programs that are not in the cache."""
    try:
        obtain_stack_programs(print)
        obtain_prometheus(print)
        obtain_alertmanager(print)
    except (PackageError, PrometheusMissingError, AlertmanagerMissingError) as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
