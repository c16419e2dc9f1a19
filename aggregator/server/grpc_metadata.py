"""What a caller sends beside its request, while its call is answered.

grpcio reads it once to find the method, and anew, each entry of it, for everybody who asks the context of a call.
So it is kept as it was read.
"""

from contextvars import ContextVar

Metadata = tuple[tuple[str, str | bytes], ...]

# A call is answered in the context in which its method is looked up.
_OF_THIS_CALL: ContextVar[Metadata] = ContextVar("metadata", default=())


def keep(metadata: Metadata | None) -> None:
    """Keep the metadata of the call that begins."""
    _OF_THIS_CALL.set(metadata or ())


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
