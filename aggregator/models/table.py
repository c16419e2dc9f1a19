"""All objects of one kind while they are being built: a column for each field, and in it a place for each object.

A refresh builds some hundred thousand objects. Columns are filled, and objects made of them, a list at a time, which
is several times as fast as one object after the other.
"""

from array import array
from collections.abc import Mapping
from typing import Any

import msgspec

from aggregator.portions import let_go, let_go_all

# What objects have in common that have nothing: frozen like all that is in a topology, so one will do.
EMPTY: Mapping[str, Any] = {}


class Table:
    """Objects by number, from 0; what nothing is known of is None."""

    def __init__(self) -> None:
        self.size = 0
        self.columns: dict[str, list[Any]] = {}

    def column(self, field: str) -> list[Any]:
        """Return the values of a field, made where there is none yet, one for each object."""
        values = self.columns.setdefault(field, [])
        if len(values) < self.size:
            values.extend([None] * (self.size - len(values)))
        return values

    def value(self, number: int, field: str) -> Any:
        """Return what one object has in a field."""
        values = self.columns.get(field, ())
        return values[number] if number < len(values) else None

    def values(self, kind: type[msgspec.Struct], field: str) -> list[Any]:
        """Return the values of a field as objects of that kind have them: its default where nothing is known."""
        default = _default(kind, field)
        if field not in self.columns:
            return [default] * self.size
        column = self.column(field)
        return column if default is None else [default if value is None else value for value in column]

    def let_go(self) -> None:
        """Empty its columns."""
        for values in self.columns.values():
            let_go(values)
        self.columns = {}


class Parts(Table):
    """Parts of owners: each with the number of its owner and its name, which nothing else of that owner has."""

    def __init__(self) -> None:
        super().__init__()
        self.owners = array("i")
        self.names: list[str] = []
        self._numbers: dict[tuple[int, str], int] = {}

    def find(self, owner: int, name: str) -> int:
        """Return the number of a part, -1 where the owner has none of that name."""
        return self._numbers.get((owner, name), -1)

    def add(self, owner: int, name: str) -> int:
        """Return the number of a part, new if need be."""
        number = self._numbers.setdefault((owner, name), self.size)
        if number == self.size:
            self.size += 1
            self.owners.append(owner)
            self.names.append(name)
        return number

    def strip(self) -> None:
        """Let go of all but whose parts there are and what they are called."""
        self.let_go()
        let_go_all(self._numbers)

    def made(self, kind: type[msgspec.Struct]) -> dict[int, dict[str, Any]]:
        """Return the finished parts by owner, of each in the order of their names."""
        # The first field of every part is its name.
        fields = kind.__struct_fields__[1:]
        parts = map(kind, self.names, *(self.values(kind, field) for field in fields))
        by_owner: dict[int, dict[str, Any]] = {}
        for owner, name, part in zip(self.owners, self.names, parts, strict=True):
            known = by_owner.get(owner)
            if known is None:
                by_owner[owner] = {name: part}
            else:
                known[name] = part
        return {owner: _sorted(named) if len(named) > 1 else named for owner, named in by_owner.items()}


def _sorted(named: dict[str, Any]) -> dict[str, Any]:
    in_order = sorted(named)
    return named if in_order == list(named) else {name: named[name] for name in in_order}


def _default(kind: type[msgspec.Struct], field: str) -> Any:
    known = next(each for each in msgspec.structs.fields(kind) if each.name == field)
    if known.default_factory is not msgspec.NODEFAULT:
        return EMPTY
    return None if known.default is msgspec.NODEFAULT else known.default
