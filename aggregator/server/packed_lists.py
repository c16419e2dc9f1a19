"""Lists that are answered whole, packed: once for each version, list and coding, for everybody who asks for it."""

import asyncio
from weakref import WeakKeyDictionary

from aggregator.coding import CODINGS, IDENTITY, LEAST_BYTES
from aggregator.documents import Documents

# What identifies a list in its version, and the coding.
_Key = tuple[str, str]


class PackedLists:
    """Packs on a thread, and keeps what is packed as long as anybody is shown the version; for the event loop only.

    There are only so many lists: four of everything and two of each cluster. All together they hold every node and
    pod about twice.
    """

    def __init__(self) -> None:
        self._packed: WeakKeyDictionary[Documents, dict[_Key, asyncio.Task[bytes]]] = WeakKeyDictionary()

    async def pack(self, documents: Documents, identity: str, body: bytes, coding: str) -> tuple[bytes, str]:
        """Return the bytes of a list and the coding that they are in: none, where packing is not worth it."""
        if coding == IDENTITY or len(body) < LEAST_BYTES:
            return body, IDENTITY
        of_version = self._packed.setdefault(documents, {})
        packing = of_version.get((identity, coding))
        if packing is None:
            packing = asyncio.ensure_future(asyncio.to_thread(CODINGS[coding], body))
            of_version[identity, coding] = packing
        try:
            # Who goes away does not stop it for the others.
            return await asyncio.shield(packing), coding
        except Exception:
            # The next one may fare better: memory may be there again.
            of_version.pop((identity, coding), None)
            raise
