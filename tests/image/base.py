"""A stand-in for the base image where no registry can be reached: this machine's Python as a tar on standard output.

It holds what the Dockerfile's RUN lines need and nothing more: Python with pip, a shell and a few tools, their shared
libraries, and the machine's certificates, so that pip finds its index from inside a build. Its Python is whatever
`sys.version` says here, whatever the tag that the tar is imported under promises.
"""

import os
import re
import shutil
import ssl
import subprocess
import sys
import sysconfig
import tarfile
from pathlib import Path

import pip

TOOLS = ["sh", "cat", "chmod", "cp", "find", "grep", "ls", "mkdir", "mv", "rm", "sed"]
NOT_NEEDED = {"__pycache__", "idlelib", "site-packages", "dist-packages", "test", "tests", "tkinter", "turtledemo"}
# What binary wheels may count on beside what Python itself needs, and what finds names and users.
FOR_WHEELS = ["libdl.so.2", "libgcc_s.so.1", "libnss_dns.so.2", "libnss_files.so.2", "libpthread.so.0"]
FOR_WHEELS += ["libresolv.so.2", "librt.so.1", "libstdc++.so.6", "libutil.so.1"]
CERTIFICATES = "etc/ssl/certs/ca-certificates.crt"

Member = tarfile.TarInfo


class Base:
    """A tar that grows file by file; a file that is there already is not added twice."""

    def __init__(self, tar: tarfile.TarFile) -> None:
        self._tar = tar
        self._names: set[str] = set()

    def add(self, source: Path, name: str) -> None:
        """Add what `source` leads to under `name`, owned by root, readable by all."""
        if name not in self._names:
            self._names.add(name)
            self._tar.add(source.resolve(), name, recursive=False, filter=_of_root)

    def add_tree(self, source: Path, name: str) -> None:
        """Add every file below `source` but caches, tests and what draws windows."""
        for folder, folders, files in os.walk(source):
            folders[:] = [inner for inner in folders if inner not in NOT_NEEDED and not inner.startswith("config-")]
            within = Path(folder).relative_to(source)
            for file in files:
                if not file.startswith("_tkinter") and (Path(folder) / file).exists():
                    self.add(Path(folder) / file, str(Path(name) / within / file))

    def add_link(self, name: str, to: str) -> None:
        """Add a symbolic link."""
        link = Member(name)
        link.type, link.linkname, link.mode = tarfile.SYMTYPE, to, 0o777
        self._tar.addfile(link)

    def add_folder(self, name: str, mode: int) -> None:
        """Add an empty folder."""
        folder = Member(name)
        folder.type, folder.mode = tarfile.DIRTYPE, mode
        self._tar.addfile(folder)


def write(base: Base) -> None:
    """Put the whole stand-in into `base`."""
    for merged in ("bin", "sbin", "lib", "lib64"):
        base.add_folder(f"usr/{merged}", 0o755)
        base.add_link(merged, f"usr/{merged}")
    base.add_folder("tmp", 0o1777)
    _add_python(base)
    tools = [Path(found) for tool in TOOLS if (found := shutil.which(tool, path="/usr/bin:/bin"))]
    for tool in tools:
        base.add(tool, f"usr/bin/{tool.name}")
    _add_libraries(base, [Path(sys.executable), *tools, *_extensions()])
    base.add(_certificates(), CERTIFICATES)


def _add_python(base: Base) -> None:
    named = f"python{sysconfig.get_python_version()}"
    base.add(Path(sys.executable), f"usr/local/bin/{named}")
    for link in ("python3", "python"):
        base.add_link(f"usr/local/bin/{link}", named)
    library = f"usr/local/lib/{named}"
    base.add_tree(Path(sysconfig.get_path("stdlib")), library)
    base.add_tree(Path(pip.__file__).parent, f"{library}/site-packages/pip")


def _extensions() -> list[Path]:
    return list(Path(sysconfig.get_path("stdlib")).glob("lib-dynload/*.so"))


def _add_libraries(base: Base, programs: list[Path]) -> None:
    """Add the shared libraries of `programs`: the system's where they are, Python's own beside Python."""
    command = ["ldd", *(str(program.resolve()) for program in programs)]
    told = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    needed = {Path(found) for found in re.findall(r"(?:=> |^\s+)(/\S+) \(0x", told, flags=re.MULTILINE)}
    system = next(library.parent for library in needed if library.name.startswith("libc.so"))
    beside = {system / name for name in FOR_WHEELS if (system / name).exists()}
    for library in sorted(needed | beside):
        if library.is_relative_to(sys.base_prefix) and sys.base_prefix != "/usr":
            base.add(library, f"usr/local/lib/{library.name}")
        else:
            # A system without merged /usr names /lib, one with it may name either: here both are one.
            inside = str(library).removeprefix("/").removeprefix("usr/")
            base.add(library, f"usr/{inside}")


def _certificates() -> Path:
    paths = ssl.get_default_verify_paths()
    for candidate in (paths.cafile, f"/{CERTIFICATES}", "/etc/pki/tls/certs/ca-bundle.crt"):
        if candidate and Path(candidate).exists():
            return Path(candidate)
    raise FileNotFoundError("a bundle of certificates: none where OpenSSL, Debian or Fedora keeps it")


def _of_root(member: Member) -> Member:
    member.uid = member.gid = 0
    member.uname = member.gname = "root"
    member.mode = 0o755 if member.mode & 0o100 else 0o644
    return member


if __name__ == "__main__":
    with tarfile.open(fileobj=sys.stdout.buffer, mode="w|") as stream:
        write(Base(stream))
