"""The folder for programs and files that are built or downloaded once."""

import os
from pathlib import Path


def find_cache_folder() -> Path:
    """Return the folder, below XDG_CACHE_HOME or ~/.cache. It may not exist yet."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "aggregator"
