"""Writes a substitute for the base image as a tar to stdout, from the Python of this machine.

It is used if no registry is reachable. It contains only what the RUN instructions of the Dockerfile need: Python with
pip, a shell and a few tools, their shared libraries, and CA certificates for pip. The Python version is that of this
machine, which may differ from the tag of the image.
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

TOOLS = ["sh", "cat", "chmod", "cp", "find", "grep", "ls", "mkdir", "mv", "rm", "sed", "sleep"]
EXCLUDED_FOLDERS = {
    "__pycache__",
    "idlelib",
    "site-packages",
    "dist-packages",
    "test",
    "tests",
    "tkinter",
    "turtledemo",
}
# Libraries that binary wheels may need besides those of Python, and libraries for the resolution of names and users.
WHEEL_LIBRARIES = ["libdl.so.2", "libgcc_s.so.1", "libnss_dns.so.2", "libnss_files.so.2", "libpthread.so.0"]
WHEEL_LIBRARIES += ["libresolv.so.2", "librt.so.1", "libstdc++.so.6", "libutil.so.1"]
CERTIFICATES = "etc/ssl/certs/ca-certificates.crt"

Member = tarfile.TarInfo


class BaseImage:
    """Adds files to a tar, each name once."""

    def __init__(self, tar: tarfile.TarFile) -> None:
        self._tar = tar
        self._names: set[str] = set()

    def add(self, source: Path, name: str) -> None:
        """Add the file `source`, symbolic links resolved, under `name`, owned by root and readable by all."""
        if name not in self._names:
            self._names.add(name)
            self._tar.add(source.resolve(), name, recursive=False, filter=_set_root_owner)

    def add_tree(self, source: Path, name: str) -> None:
        """Add all files below `source`, except for caches, tests and Tk."""
        for folder, folders, files in os.walk(source):
            folders[:] = [
                inner for inner in folders if inner not in EXCLUDED_FOLDERS and not inner.startswith("config-")
            ]
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


def write_base_image(base: BaseImage) -> None:
    """Write all files of the substitute image."""
    for merged in ("bin", "sbin", "lib", "lib64"):
        base.add_folder(f"usr/{merged}", 0o755)
        base.add_link(merged, f"usr/{merged}")
    base.add_folder("tmp", 0o1777)
    _add_python(base)
    tools = [Path(found) for tool in TOOLS if (found := shutil.which(tool, path="/usr/bin:/bin"))]
    for tool in tools:
        base.add(tool, f"usr/bin/{tool.name}")
    _add_libraries(base, [Path(sys.executable), *tools, *_list_extensions()])
    base.add(_find_certificates(), CERTIFICATES)


def _add_python(base: BaseImage) -> None:
    interpreter = f"python{sysconfig.get_python_version()}"
    base.add(Path(sys.executable), f"usr/local/bin/{interpreter}")
    for link in ("python3", "python"):
        base.add_link(f"usr/local/bin/{link}", interpreter)
    library = f"usr/local/lib/{interpreter}"
    base.add_tree(Path(sysconfig.get_path("stdlib")), library)
    base.add_tree(Path(pip.__file__).parent, f"{library}/site-packages/pip")


def _list_extensions() -> list[Path]:
    return list(Path(sysconfig.get_path("stdlib")).glob("lib-dynload/*.so"))


def _add_libraries(base: BaseImage, programs: list[Path]) -> None:
    """Add the shared libraries of `programs`: system libraries at their paths, others in /usr/local/lib."""
    command = ["ldd", *(str(program.resolve()) for program in programs)]
    ldd_output = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    needed = {Path(found) for found in re.findall(r"(?:=> |^\s+)(/\S+) \(0x", ldd_output, flags=re.MULTILINE)}
    system = next(library.parent for library in needed if library.name.startswith("libc.so"))
    extra = {system / name for name in WHEEL_LIBRARIES if (system / name).exists()}
    for library in sorted(needed | extra):
        if library.is_relative_to(sys.base_prefix) and sys.base_prefix != "/usr":
            base.add(library, f"usr/local/lib/{library.name}")
        else:
            # The path may be below /lib or /usr/lib; in the image both are the same folder.
            path = str(library).removeprefix("/").removeprefix("usr/")
            base.add(library, f"usr/{path}")


def _find_certificates() -> Path:
    paths = ssl.get_default_verify_paths()
    for candidate in (paths.cafile, f"/{CERTIFICATES}", "/etc/pki/tls/certs/ca-bundle.crt"):
        if candidate and Path(candidate).exists():
            return Path(candidate)
    raise FileNotFoundError("find CA certificates: no file at the paths of OpenSSL, Debian and Fedora")


def _set_root_owner(member: Member) -> Member:
    member.uid = member.gid = 0
    member.uname = member.gname = "root"
    member.mode = 0o755 if member.mode & 0o100 else 0o644
    return member


if __name__ == "__main__":
    with tarfile.open(fileobj=sys.stdout.buffer, mode="w|") as stream:
        write_base_image(BaseImage(stream))
