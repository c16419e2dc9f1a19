"""Builds programs from source with the Go of this machine, in the versions of the modules in go/."""

import contextlib
import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from demo.cache import find_cache_folder

GO_PATH = Path(__file__).parent / "go"
# The oldest Go that downloads the toolchain in go.mod by itself.
MIN_GO_VERSION = (1, 21)

LogProgress = Callable[[str], None]


class BuildError(Exception):
    """The programs cannot be built; the message says why."""


@dataclass(frozen=True)
class GoModule:
    """A module in go/ that requires other modules.

    The version of the module `main` identifies the programs in the cache, together with `variant` if they are built in
    a special way.
    """

    name: str
    main: str
    variant: str = ""

    @property
    def path(self) -> Path:
        """The folder with go.mod and go.sum."""
        return GO_PATH / self.name

    def read_version(self, module: str) -> str:
        """Return the version of a module in go.mod, with its v."""
        text = (self.path / "go.mod").read_text(encoding="utf-8")
        match = re.search(rf"^(?:require)?\s*{re.escape(module)} (v\S+)", text, re.MULTILINE)
        if match is None:
            raise ValueError(f"{self.name}/go.mod does not require {module}")
        return match[1]

    @property
    def version(self) -> str:
        """The version of the main module, with its v."""
        return self.read_version(self.main)

    def obtain_programs(self, build: Callable[[Path], None]) -> Path:
        """Return the folder of the programs in the cache; `build` writes them to a folder if they are not there.

        `build` may use the parent of its folder for other files.
        """
        folder = find_cache_folder() / "-".join(filter(None, (self.name, self.version, self.variant)))
        if not folder.is_dir():
            self._check_go_version()
            folder.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=folder.parent) as work:
                out = Path(work) / "out"
                out.mkdir()
                build(out)
                # Another process may have been faster. Both have the same files, and the rename is atomic.
                with contextlib.suppress(OSError):
                    out.rename(folder)
        return folder

    def build_program(
        self,
        program: Path,
        package: str,
        variables: Mapping[str, str],
        log_progress: LogProgress,
        flags: Sequence[str] = (),
        *,
        uses_c: bool = False,
    ) -> None:
        """Build one program; `variables` are the string variables that the linker sets, such as versions."""
        start = time.monotonic()
        linker_flags = " ".join(["-s -w", *(f"-X {name}={value}" for name, value in variables.items())])
        arguments = ("-trimpath", "-buildvcs=false", f"-ldflags={linker_flags}", *flags, f"-o={program}", package)
        self.run_go("build", *arguments, uses_c=uses_c)
        log_progress(f"  {program.name}: {time.monotonic() - start:.0f} s")

    def run_go(self, *arguments: str, uses_c: bool = False) -> str:
        """Return the output of a go command in the folder of the module."""
        # Like the official releases: static programs that do not depend on the libraries of the system.
        environment = {**os.environ, "CGO_ENABLED": "1" if uses_c else "0"}
        command = ["go", *arguments]
        completed = subprocess.run(command, cwd=self.path, env=environment, capture_output=True, text=True, check=False)
        if completed.returncode != 0:
            raise BuildError(f"go {arguments[0]}: {completed.stderr.strip()[-1000:]}")
        return completed.stdout

    def _check_go_version(self) -> None:
        text = self.run_go("version") if shutil.which("go") else ""
        match = re.search(r"go(\d+)\.(\d+)", text)
        if match is None or (int(match[1]), int(match[2])) < MIN_GO_VERSION:
            expected = ".".join(map(str, MIN_GO_VERSION))
            found = match[0] if match else "no go on PATH"
            raise BuildError(f"build {self.name}: expected Go {expected} or newer, got {found}")
