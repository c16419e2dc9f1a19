"""Writes the generated files; with --check, reports the files that are outdated and exits with 1.

The code of the protobuf files comes first. Another process then renders the pages (`tools.pages`) with that code.
"""

import os
import sys

from tools import code
from tools.model_fields import find_field_differences


def main() -> None:
    """Write or check all generated files, and compare the model with the protobuf messages."""
    files, descriptors = code.compile_proto()
    if sys.argv[1:] == ["--check"]:
        if outdated := code.find_outdated_files(files):
            sys.exit(f"outdated (run `make generate`): {', '.join(outdated)}")
    else:
        code.write_files(files)
    if differences := find_field_differences(descriptors):
        sys.exit("\n".join(("the model and the protobuf messages differ:", *differences)))
    # A new process, because this one has imported the previous code.
    os.execv(sys.executable, [sys.executable, "-m", "tools.pages", *sys.argv[1:]])  # noqa: S606 - a fixed command


if __name__ == "__main__":
    main()
