"""Files that a user names are regular and bounded, and reading them never blocks."""

from collections.abc import Callable
from pathlib import Path

import pytest

from aggregator.errors import FileError
from aggregator.util.files import MAX_FILE_BYTES, read_bounded_file
from tests.support.unusable_files import UNUSABLE_FILES


@pytest.mark.parametrize("contents", [b"", b"\xff\x00", b"x" * MAX_FILE_BYTES], ids=["empty", "binary", "largest"])
def test_a_regular_file_is_read_completely(tmp_path: Path, contents: bytes) -> None:
    """A file of up to MAX_FILE_BYTES is returned as it is, also through a link."""
    path = tmp_path / "file"
    path.write_bytes(contents)
    (tmp_path / "link").symlink_to(path)
    assert read_bounded_file(str(path)) == read_bounded_file(str(tmp_path / "link")) == contents


@pytest.mark.parametrize(("create", "reason"), UNUSABLE_FILES.values(), ids=UNUSABLE_FILES.keys())
def test_anything_else_is_an_error(tmp_path: Path, create: Callable[[Path], None], reason: str) -> None:
    """A FIFO, a device, a directory, a link loop or a large file is refused at once."""
    create(tmp_path / "file")
    with pytest.raises(FileError, match=reason):
        read_bounded_file(str(tmp_path / "file"))


def test_a_name_that_no_file_can_have_is_an_error() -> None:
    """A NUL in a path is an error like any other."""
    with pytest.raises(FileError, match="invalid file name"):
        read_bounded_file("a\0b")
