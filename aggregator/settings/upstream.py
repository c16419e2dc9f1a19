"""Where the metrics come from."""

from typing import Annotated
from urllib.parse import unquote, urlsplit

from pydantic import AfterValidator, SecretStr

from aggregator.querier.client import Address
from aggregator.settings.kinds import Group, setting


def _address(text: str) -> str:
    """Check a base URL; the text of an error never repeats it, for it may hold a password."""
    try:
        parts = urlsplit(text)
    except ValueError:
        raise ValueError("is no URL") from None
    if parts.scheme not in ("http", "https"):
        raise ValueError("does not begin with http:// or https://")
    if not parts.hostname:
        raise ValueError("names no host")
    if "@" in parts.path:
        raise ValueError("has an @ in its path; a / or ? in a password is written %2F or %3F")
    if parts.query or parts.fragment:
        raise ValueError("has a query or a fragment")
    try:
        _ = parts.port
    except ValueError:
        raise ValueError("its port is no number from 0 to 65535") from None
    return text


class UpstreamSettings(Group):
    """Prometheus or Thanos: where it is and how to be let in."""

    PROMETHEUS_ADDRESS: Annotated[
        SecretStr, AfterValidator(lambda secret: SecretStr(_address(secret.get_secret_value())))
    ] = setting(
        ...,
        "base URL of Prometheus or Thanos Query; may end in a slash, have a path, and hold user:password@",
        "a URL that begins with http:// or https://",
    )

    @property
    def upstream(self) -> Address:
        """The upstream's base URL without its slash and credentials, and those apart."""
        parts = urlsplit(self.PROMETHEUS_ADDRESS.get_secret_value())
        host = parts.netloc.rpartition("@")[2]
        return Address(
            url=f"{parts.scheme}://{host}{parts.path.rstrip('/')}",
            user=unquote(parts.username) if parts.username is not None else None,
            password=unquote(parts.password) if parts.password is not None else None,
        )
