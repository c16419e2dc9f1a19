"""The secrets that the settings hold, and those of variables that libraries read by themselves."""

import re
from collections.abc import Iterator, Mapping
from urllib.parse import unquote

from pydantic import BaseModel, SecretStr

# A user of so many characters lets in by itself: it is a token, and nobody's name.
TOKEN_CHARACTERS = 16

# The part of a URL that holds credentials; as for whoever splits URLs, it ends at the last @.
_USERINFO = re.compile(r"//([^/\s?#]*)@")
_VALUE = re.compile(r"=([^,\s]+)")
_PROXY = re.compile(r"\w+_PROXY", re.IGNORECASE)
_COLLECTOR_HEADERS = re.compile("OTEL_.*_HEADERS")


def secrets_of(settings: BaseModel, environment: Mapping[str, str]) -> Iterator[str]:
    """Yield every text that may never be told: whole secrets, and those within them as written and as meant.

    What is in a file that is read again is not among them: whoever reads it lets it be known.
    """
    held = {name: value.get_secret_value() for name, value in settings if isinstance(value, SecretStr)}
    # These are no settings of ours, but secret all the same.
    held |= {name: value for name, value in environment.items() if _COLLECTOR_HEADERS.fullmatch(name)}
    for name, text in held.items():
        yield text
        yield from _credentials(text)
        # What stands behind the # of an upstream, its name and cluster, is there to be told.
        if name != "PROMETHEUS_ADDRESS":
            yield from _values(text)
    for name, text in environment.items():
        # The address of a proxy is none, and may be in an error.
        if _PROXY.fullmatch(name):
            yield from _credentials(text)


def _credentials(text: str) -> Iterator[str]:
    """Yield the credentials of the URLs in a text, and as they are sent: a user with a password."""
    for userinfo in _USERINFO.findall(text):
        user, _, password = userinfo.partition(":")
        is_secret = _lets_in(unquote(user), password)
        if password or is_secret:
            yield f"{unquote(user)}:{unquote(password)}"
            yield from (password, unquote(password))
        if is_secret:
            yield from (user, unquote(user))


def _lets_in(user: str, password: str) -> bool:
    """Return whether a user is a secret: long as tokens are, or without a password and more than a plain word."""
    return len(user) >= TOKEN_CHARACTERS or (not password and not user.isalpha())


def _values(text: str) -> Iterator[str]:
    """Yield the values of headers, and their words that are long: of `Token x`, only the second is secret."""
    for value in _VALUE.findall(text):
        yield from (value, unquote(value))
        yield from (word for word in unquote(value).split() if len(word) >= TOKEN_CHARACTERS)
