"""Paths that are not readable regular files, which a mistake or an attacker may put into a setting."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path

from aggregator.util.files import MAX_FILE_BYTES


def _make_link_loop(path: Path) -> None:
    path.symlink_to(path)


def _make_device_link(path: Path) -> None:
    path.symlink_to("/dev/zero")


def _make_large_file(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(MAX_FILE_BYTES + 1)


# The kind of file, a function that creates it at a path, and the reason why it cannot be read.
UNUSABLE_FILES: Mapping[str, tuple[Callable[[Path], None], str]] = {
    "FIFO": (os.mkfifo, "not a regular file"),
    "device": (_make_device_link, "not a regular file"),
    "directory": (Path.mkdir, "not a regular file"),
    "link loop": (_make_link_loop, "Too many levels of symbolic links"),
    "large file": (_make_large_file, f"larger than {MAX_FILE_BYTES} bytes"),
    "missing": (lambda _path: None, "No such file or directory"),
}
