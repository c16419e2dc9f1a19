"""What is sent beside a request and beside its answer, while a call is answered.

grpcio reads what the caller sent once to find the method, and anew, each entry of it, for everybody who asks the
context of a call; what it is to send it gives back no cheaper. So both are kept as they were read and told.
"""

from contextvars import ContextVar
from typing import Any

Metadata = tuple[tuple[str, str | bytes], ...]
Told = tuple[tuple[str, str], ...]

# A call is answered in the context in which its method is looked up.
_OF_THIS_CALL: ContextVar[Metadata] = ContextVar("metadata", default=())
_TOLD: ContextVar[Told] = ContextVar("told", default=())


def keep(metadata: Metadata | None) -> None:
    """Keep the metadata of the call that begins."""
    _OF_THIS_CALL.set(metadata or ())
    _TOLD.set(())


def entries() -> Metadata:
    """Return all metadata of the call that is answered."""
    return _OF_THIS_CALL.get()


def values_of(name: str) -> list[bytes]:
    """Return all values of one entry, as bytes."""
    return [
        value.encode("utf-8", "surrogateescape") if isinstance(value, str) else value
        for key, value in _OF_THIS_CALL.get()
        if key == name
    ]


def tell(context: Any, more: Told) -> None:
    """Tell more in the trailing metadata of the call that is answered, behind what was told before."""
    told = (*_TOLD.get(), *more)
    _TOLD.set(told)
    context.set_trailing_metadata(told)
