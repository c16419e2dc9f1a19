"""URLs of HTTP, as settings hold them. Errors never repeat one, for it may hold a password."""

from urllib.parse import SplitResult, urlsplit


def split(text: str) -> SplitResult:
    """Return the parts of a URL that names a host; raise ValueError for anything else. Its port is not looked at."""
    try:
        parts = urlsplit(text)
    except ValueError:
        raise ValueError("is no URL") from None
    if parts.scheme not in ("http", "https"):
        raise ValueError("does not begin with http:// or https://")
    if not parts.hostname:
        raise ValueError("names no host")
    return parts


def check_port(parts: SplitResult) -> None:
    """Raise ValueError where there is a port that cannot be one."""
    try:
        _ = parts.port
    except ValueError:
        raise ValueError("has a port that is no number from 0 to 65535") from None
