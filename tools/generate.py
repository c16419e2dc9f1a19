"""Writes what is generated, or with --check says what differs from what is committed.

Generated are: code, then what is printed by that code (`tools.pages`).
"""

import os
import sys

from tools import code


def main() -> None:
    """Write everything, or check everything."""
    made = code.made()
    if sys.argv[1:] == ["--check"]:
        if stale := code.stale(made):
            sys.exit(f"not as generated (run `make generate`): {', '.join(stale)}")
    else:
        code.write(made)
    # Another process: this one may have read the code of before.
    os.execv(sys.executable, [sys.executable, "-m", "tools.pages", *sys.argv[1:]])  # noqa: S606 - a program of ours


if __name__ == "__main__":
    main()
