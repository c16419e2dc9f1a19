"""What a caller may see."""

from dataclasses import dataclass
from fnmatch import fnmatchcase


@dataclass(frozen=True)
class Grant:
    """The clusters that a caller may see: those whose name or uid matches a pattern; without patterns, everything."""

    patterns: frozenset[str] | None = None

    @property
    def is_for_everything(self) -> bool:
        """Whether nothing is hidden from the caller."""
        return self.patterns is None

    def shows(self, *names: str | None) -> bool:
        """Return whether the caller may see what bears one of these names."""
        if self.patterns is None:
            return True
        return any(fnmatchcase(name, pattern) for pattern in self.patterns for name in names if name)


EVERYTHING = Grant()
