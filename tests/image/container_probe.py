"""Prints what a process in the container sees as JSON; it is sent to the Python of the container on stdin."""

import errno
import importlib
import importlib.util
import json
import os
import re
import sys
from pathlib import Path

PACKAGE_TOOLS = {"pip", "setuptools", "wheel", "ensurepip", "uv"}
BUILD_PROGRAMS = re.compile(
    r"(.*-)?(pip[\d.]*|uv|wheel|gcc|g\+\+|cc|c\+\+|cpp|clang|ld|as|make|cargo|rustc|go)(-[\d.]+)?"
)


def get_write_error(folder: str) -> str:
    """Return the name of the error of writing a file in `folder`, `writable` if there is none."""
    try:
        probe = Path(folder) / "probe"
        probe.write_text("")
        probe.unlink()
    except OSError as error:
        return errno.errorcode.get(error.errno or 0, str(error))
    return "writable"


def find_build_programs() -> list[str]:
    """Return the paths of compilers, build programs and package tools in the container."""
    paths = []
    for folder, folders, files in os.walk("/"):
        folders[:] = [name for name in folders if str(Path(folder) / name) not in {"/proc", "/sys"}]
        if Path(folder).name in {"bin", "sbin"}:
            paths += [str(Path(folder) / file) for file in files if BUILD_PROGRAMS.fullmatch(file)]
        elif Path(folder).name == "site-packages":
            paths += [str(Path(folder) / name) for name in folders if name in PACKAGE_TOOLS]
    return paths


def find_uncompiled_modules() -> list[str]:
    """Return the loaded modules without bytecode, which would be compiled at each start."""
    importlib.import_module("aggregator.__main__")
    specs = [module.__spec__ for module in sys.modules.values() if getattr(module, "__spec__", None)]
    return sorted(spec.name for spec in specs if spec and spec.cached and not Path(spec.cached).exists())


def read_init_status() -> dict[str, str]:
    """Return the fields of /proc/1/status."""
    lines = Path("/proc/1/status").read_text().splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


if __name__ == "__main__":
    status = read_init_status()
    process_info = {
        "python": sys.version.split()[0],
        "command": Path("/proc/1/cmdline").read_bytes().decode().rstrip("\0").split("\0"),
        "uids": status["Uid"].split(),
        "gids": status["Gid"].split(),
        "capabilities": [int(status[name], 16) for name in ("CapPrm", "CapEff", "CapBnd")],
        "no_new_privileges": status["NoNewPrivs"] == "1",
        "write_errors": {folder: get_write_error(folder) for folder in ("/", "/etc", "/opt/aggregator", "/tmp")},  # noqa: S108 - checked for being read-only
        "importable": sorted(tool for tool in PACKAGE_TOOLS if importlib.util.find_spec(tool)),
        "programs": find_build_programs(),
        "from_source": find_uncompiled_modules(),
    }
    json.dump(process_info, sys.stdout)
