"""What a process inside the container sees, as JSON; sent to its Python on standard input."""

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


def refusal(folder: str) -> str:
    """Return the name of the error that forbids a file in `folder`; `writable` if nothing does."""
    try:
        probe = Path(folder) / "probe"
        probe.write_text("")
        probe.unlink()
    except OSError as refused:
        return errno.errorcode.get(refused.errno or 0, str(refused))
    return "writable"


def build_programs() -> list[str]:
    """Return what could install packages or compile, wherever it lies in a folder of programs or of modules."""
    found = []
    for folder, folders, files in os.walk("/"):
        folders[:] = [inner for inner in folders if str(Path(folder) / inner) not in {"/proc", "/sys"}]
        if Path(folder).name in {"bin", "sbin"}:
            found += [str(Path(folder) / file) for file in files if BUILD_PROGRAMS.fullmatch(file)]
        elif Path(folder).name == "site-packages":
            found += [str(Path(folder) / inner) for inner in folders if inner in PACKAGE_TOOLS]
    return found


def modules_without_bytecode() -> list[str]:
    """Return which modules the gateway loads from source, although they would have to be compiled at each start."""
    importlib.import_module("aggregator.__main__")
    specs = [module.__spec__ for module in sys.modules.values() if getattr(module, "__spec__", None)]
    return sorted(spec.name for spec in specs if spec and spec.cached and not Path(spec.cached).exists())


def first_process() -> dict[str, str]:
    """Return the fields of /proc/1/status."""
    lines = Path("/proc/1/status").read_text().splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


if __name__ == "__main__":
    status = first_process()
    facts = {
        "python": sys.version.split()[0],
        "command": Path("/proc/1/cmdline").read_bytes().decode().rstrip("\0").split("\0"),
        "uids": status["Uid"].split(),
        "gids": status["Gid"].split(),
        "capabilities": [int(status[name], 16) for name in ("CapPrm", "CapEff", "CapBnd")],
        "no_new_privileges": status["NoNewPrivs"] == "1",
        "refusals": {folder: refusal(folder) for folder in ("/", "/etc", "/opt/aggregator", "/tmp")},  # noqa: S108 - it must not be writable
        "importable": sorted(tool for tool in PACKAGE_TOOLS if importlib.util.find_spec(tool)),
        "programs": build_programs(),
        "from_source": modules_without_bytecode(),
    }
    json.dump(facts, sys.stdout)
