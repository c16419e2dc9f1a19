"""A copy of the objects that a watch shows, kept current by its events."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from aggregator.cli.gateway import FetchError
from aggregator.cli.watch.stream import DISCONNECT_EVENT, ReceivedEvent

KINDS = ("clusters", "nodes", "pods")

JsonObject = Mapping[str, Any]
# The name of the cluster, "" for a cluster itself, and the ID.
ObjectKey = tuple[str, str]


class Change(NamedTuple):
    """A changed object: its kind and ID, where it is, and its v1 JSON; None where it did not or does not exist."""

    kind: str
    id: str
    cluster: str
    namespace: str
    name: str
    before: JsonObject | None
    after: JsonObject | None


class TopologyCopy:
    """The v1 JSON of the objects, by kind, and by cluster and ID."""

    def __init__(self) -> None:
        self.objects: dict[str, dict[ObjectKey, JsonObject]] = {kind: {} for kind in KINDS}
        self.properties: JsonObject = {}
        # Parts of an event. They are applied together, because a stream that breaks off between two of them continues
        # before the first.
        self._parts: list[JsonObject] = []

    def apply(self, event: ReceivedEvent) -> list[Change] | None:
        """Apply an event; return the changes, or None after a complete snapshot. Other events change nothing."""
        if event.name in {"restart", DISCONNECT_EVENT}:
            self._parts = []
        if event.name not in {"snapshot", "changes"}:
            return []
        self._parts.append(event.data)
        if event.data.get("remainingCount"):
            return []
        parts, self._parts = self._parts, []
        try:
            self.properties = parts[-1].get("properties", self.properties)
            if event.name == "changes":
                return [self._apply_change(each) for part in parts for each in part.get("changes", ())]
            self.objects = {
                kind: {_get_key(each): each for part in parts for each in part.get(kind, ())} for kind in KINDS
            }
        except (LookupError, TypeError, AttributeError, ValueError):
            raise FetchError("an event of the watch is invalid; is it a gateway?") from None
        return None

    def _apply_change(self, change: JsonObject) -> Change:
        kind, key = change["kind"], _get_key(change)
        objects = self.objects[kind]
        before = objects.pop(key, None)
        after: JsonObject | None = None
        if change["type"] == "ADDED":
            after = change["object"]
        elif change["type"] == "MODIFIED":
            unset = change.get("unset", ())
            kept = {name: value for name, value in (before or {}).items() if name not in unset}
            after = {**kept, **change.get("set", {})}
        if after is not None:
            objects[key] = after
        return Change(
            kind,
            change["id"],
            change.get("cluster", ""),
            change.get("namespace", ""),
            change.get("name", ""),
            before,
            after,
        )

    def iterate_counts(self) -> Iterator[tuple[int, str]]:
        """Yield the number of objects of each kind, and the name of one."""
        for kind in KINDS:
            yield len(self.objects[kind]), kind.removesuffix("s")


def _get_key(item: JsonObject) -> ObjectKey:
    return item.get("cluster", ""), item["id"]
