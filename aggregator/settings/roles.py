"""Roles as settings name them, and which clusters they show."""

from dataclasses import dataclass

from aggregator.settings.kinds import shown


@dataclass(frozen=True)
class Role:
    """A role of the realm, or of one of its clients."""

    name: str
    client: str | None = None

    def __str__(self) -> str:
        return f"{self.client or ''}:{self.name}" if self.client or ":" in self.name else self.name


def role(text: str) -> Role:
    """Return the role that a text names; raise ValueError if it names none.

    `name` is a role of the realm, `client:name` one of a client. The last colon divides; a role of the realm
    whose name has a colon is written with one in front.
    """
    if text.startswith(":"):
        return _named(Role(text[1:].strip()), text)
    client, colon, name = text.rpartition(":")
    return _named(Role(name.strip(), client.strip() if colon else None), text)


def _named(found: Role, text: str) -> Role:
    if not found.name or found.client == "":
        raise ValueError(f"names no role in {shown(text)}")
    return found


def cluster_roles(text: str) -> tuple[tuple[Role, tuple[str, ...]], ...]:
    """Return the patterns of clusters by role of `role=glob,glob; client:role=glob`."""
    found: dict[Role, tuple[str, ...]] = {}
    for entry in filter(None, (part.strip() for part in text.split(";"))):
        name, equals, globs = entry.partition("=")
        patterns = tuple(glob.strip() for glob in globs.split(","))
        if not equals or not all(patterns):
            raise ValueError(f"has no cluster, or an empty one, for {shown(name.strip())}")
        named = role(name.strip())
        if named in found:
            raise ValueError(f"names {shown(str(named))} twice")
        found[named] = patterns
    if not found:
        raise ValueError("names no role")
    return tuple(found.items())
