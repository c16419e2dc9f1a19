"""Objects under construction: their values in columns, and lookup tables by the labels of their series.

A refresh builds some hundred thousand objects. Columns are filled, and objects created from them, a list at a time,
which is several times as fast as one object after the other.
"""

from array import array
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from operator import attrgetter, itemgetter
from typing import Any, NamedTuple

import msgspec

from aggregator.models.catalog.row import ChildKind
from aggregator.models.sample import ABSENT_LABEL_ATTRIBUTE, get_label_attribute
from aggregator.util.runtime import clear_in_chunks, clear_mapping_in_chunks, iter_slices, list_in_chunks

Labels = tuple[str, ...]

# The only label whose values contain white space: exporters read /etc/machine-id with its newline.
PADDED_LABEL = "icos_host_id"

_get_last = itemgetter(-1)

# What child tables return for an unknown child.
NOT_FOUND = -1

# The labels that identify an object, and their values. The first value is the scope (see `find_scope`), "" for none.
Identity = tuple[Labels, Labels]


# All objects without children share it, because nothing in a topology changes.
EMPTY_MAPPING: Mapping[str, Any] = {}


class ColumnTable:
    """The values of objects: one column per field, one index per object, from 0. Unknown values are None."""

    def __init__(self) -> None:
        self.size = 0
        self.columns: dict[str, list[Any]] = {}

    def ensure_column(self, field: str) -> list[Any]:
        """Return the values of a field, one for each object; create the column if it is missing."""
        values = self.columns.setdefault(field, [])
        if len(values) < self.size:
            values.extend([None] * (self.size - len(values)))
        return values

    def get_value(self, index: int, field: str) -> Any:
        """Return the value of one object."""
        values = self.columns.get(field, ())
        return values[index] if index < len(values) else None

    def get_values(self, struct_type: type[msgspec.Struct], field: str) -> list[Any]:
        """Return the values of a field, with the default of the struct type for unknown values."""
        default = _get_field_default(struct_type, field)
        if field not in self.columns:
            return [default] * self.size
        column = self.ensure_column(field)
        return column if default is None else [default if value is None else value for value in column]

    def release_memory(self) -> None:
        """Empty its columns."""
        for values in self.columns.values():
            clear_in_chunks(values)
        self.columns = {}


class ChildTable(ColumnTable):
    """The children of entities: each has the index of its entity and a name that is unique for this entity."""

    def __init__(self) -> None:
        super().__init__()
        self.entity_indexes = array("i")
        self.names: list[str] = []
        self._indexes: dict[tuple[int, str], int] = {}

    def find(self, entity_index: int, name: str) -> int:
        """Return the index of a child, NOT_FOUND if the entity has no child of that name."""
        return self._indexes.get((entity_index, name), NOT_FOUND)

    def get_or_add(self, entity_index: int, name: str) -> int:
        """Return the index of a child, added if it is missing."""
        index = self._indexes.setdefault((entity_index, name), self.size)
        if index == self.size:
            self.size += 1
            self.entity_indexes.append(entity_index)
            self.names.append(name)
        return index

    def discard_columns(self) -> None:
        """Keep only the names and entities of the children."""
        self.release_memory()
        clear_mapping_in_chunks(self._indexes)

    def build_children(self, struct_type: type[msgspec.Struct]) -> dict[int, dict[str, Any]]:
        """Return the children of each entity by name, in the order of their names."""
        # The first field of every child is its name.
        fields = struct_type.__struct_fields__[1:]
        children = map(struct_type, self.names, *(self.get_values(struct_type, field) for field in fields))
        by_entity: dict[int, dict[str, Any]] = {}
        for entity_index, name, child in zip(self.entity_indexes, self.names, children, strict=True):
            children_of_entity = by_entity.get(entity_index)
            if children_of_entity is None:
                by_entity[entity_index] = {name: child}
            else:
                children_of_entity[name] = child
        return {
            entity_index: _sort_by_name(children_by_name) if len(children_by_name) > 1 else children_by_name
            for entity_index, children_by_name in by_entity.items()
        }


class ClusterIdentity(NamedTuple):
    """A cluster as its members see it: the type of its orchestrator ("" without one) and its UID."""

    type: str
    uid: str


class DraftEntity(msgspec.Struct, gc=False, eq=False):
    """An entity under construction: its index, the label sets that identify it, and its cluster.

    The index is the zero-based position of the entity in the columns of the table. `identity_name` is the value of the
    last label of its identity, such as the machine ID of a host. `fingerprint` is a hash of the label sets and of the
    cluster: equal in two refreshes for the same entity.
    """

    index: int
    table: ColumnTable
    label_sets: list[Any] = []
    identity_name: str = ""
    fingerprint: int = 0
    cluster: ClusterIdentity | None = None

    def place(self, cluster: ClusterIdentity) -> None:
        """Assign the entity to a cluster."""
        self.cluster = cluster
        self.fingerprint = hash((self.fingerprint, cluster.uid))

    def get_label(self, name: str) -> str:
        """Return a label of the identifying label sets: "" if all lack it, the alphabetically last of several."""
        key = get_label_attribute(name)
        return max((getattr(label_set, key, "") for label_set in self.label_sets), default="")

    def get_value(self, field: str) -> Any:
        """Return the value of a field, None if unknown so far."""
        return self.table.get_value(self.index, field)

    @property
    def fields(self) -> dict[str, Any]:
        """All known values by field."""
        known_values = ((field, self.get_value(field)) for field in self.table.columns)
        return {field: value for field, value in known_values if value is not None}


class EntityRegistry:
    """All entities of one kind, by identity and by the other labels of their series.

    `aliases` maps identities to other identities of the same object.
    """

    def __init__(self) -> None:
        self.entities: dict[Identity, DraftEntity] = {}
        self.aliases: Mapping[Identity, Identity] = {}
        self.by_index: list[DraftEntity] = []
        self.table = ColumnTable()
        self.child_tables: dict[ChildKind, ChildTable] = {}
        self._lookups: dict[Labels, dict[Any, tuple[int, ...]]] = {}
        # Indexes and label sets, by the type of the label sets. Filled for the first lookup table.
        self._label_sets_by_type: dict[Any, tuple[list[int], list[Any]]] = {}

    def get_or_create(self, label_set: Any, identities: Iterable[Labels], scope: str = "") -> DraftEntity | None:
        """Return the object that a label set identifies within a cluster, created if necessary; None without identity.

        Uses the first of `identities` whose last label has a value. An identity without labels means that there is only
        one entity of its kind.
        """
        for labels in identities:
            values = create_label_getter(label_set.__class__, labels)(label_set)
            if not values or values[-1]:
                if PADDED_LABEL in labels:
                    values = tuple(value.strip() for value in values)
                identity = (labels, (scope, *values))
                if self.aliases:
                    identity = self.aliases.get(identity, identity)
                entity = self.entities.get(identity)
                if entity is None:
                    entity = self.entities[identity] = self.create_entity()
                    entity.identity_name = identity[1][-1]
                entity.label_sets.append(label_set)
                entity.fingerprint = hash((entity.fingerprint, label_set))
                return entity
        return None

    def create_entity(self) -> DraftEntity:
        """Return a new object without identity."""
        entity = DraftEntity(len(self.by_index), self.table)
        self.by_index.append(entity)
        self.table.size += 1
        return entity

    def get_child_table(self, child_kind: ChildKind) -> ChildTable:
        """Return all children of one kind."""
        return self.child_tables.setdefault(child_kind, ChildTable())

    def get_lookup(self, entity_labels: Labels) -> dict[Any, tuple[int, ...]]:
        """Return the indexes of the objects by the values of these labels; call it after all objects exist."""
        if entity_labels not in self._lookups:
            self._lookups[entity_labels] = self._build_lookup(entity_labels)
        return self._lookups[entity_labels]

    def release_memory(self) -> None:
        """Drop everything except the children, after the last lookup."""
        clear_mapping_in_chunks(self.entities)
        for lookup in self._lookups.values():
            clear_mapping_in_chunks(lookup)
        for label_set_columns in self._label_sets_by_type.values():
            for column in label_set_columns:
                clear_in_chunks(column)
        clear_in_chunks(self.by_index)
        self.table.release_memory()

    def _build_lookup(self, entity_labels: Labels) -> dict[Any, tuple[int, ...]]:
        lookup: dict[Any, tuple[int, ...]] = {}
        for label_set_type, (indexes, label_sets) in (
            self._label_sets_by_type or self._group_label_sets_by_type()
        ).items():
            if _has_label(label_set_type, entity_labels[-1]):
                keys = list_in_chunks(map(create_label_getter(label_set_type, entity_labels), label_sets))
                _add_to_lookup(lookup, keys, indexes)
                if PADDED_LABEL in entity_labels:
                    _add_to_lookup(lookup, [tuple(value.strip() for value in key) for key in keys], indexes)
        return lookup

    def _group_label_sets_by_type(self) -> dict[Any, tuple[list[int], list[Any]]]:
        for entity in self.entities.values():
            for label_set in entity.label_sets:
                label_set_type = label_set.__class__
                if label_set_type not in self._label_sets_by_type:
                    self._label_sets_by_type[label_set_type] = ([], [])
                indexes, label_sets = self._label_sets_by_type[label_set_type]
                indexes.append(entity.index)
                label_sets.append(label_set)
        return self._label_sets_by_type


def _add_to_lookup(lookup: dict[Any, tuple[int, ...]], keys: list[Labels], indexes: list[int]) -> None:
    """Add indexes by their keys, except for keys that end with an empty label."""
    if not lookup and all(map(_get_last, keys)):
        for batch in iter_slices(zip(keys, zip(indexes, strict=True), strict=True), len(keys)):
            lookup.update(batch)
        if len(lookup) == len(keys):
            return
        lookup.clear()
    # A million objects may share a key: an ordered set, because a tuple would be copied for each of them.
    shared_keys: dict[Any, dict[int, None]] = {}
    for key, index in zip(keys, indexes, strict=True):
        indexes_of_key = lookup.get(key)
        if indexes_of_key is None:
            if key[-1]:
                lookup[key] = (index,)
        elif indexes_of_key != (index,):
            if key not in shared_keys:
                shared_keys[key] = dict.fromkeys(indexes_of_key)
            shared_keys[key][index] = None
    lookup.update((key, tuple(shared_indexes)) for key, shared_indexes in shared_keys.items())


def _has_label(label_set_type: type[msgspec.Struct], label: str) -> bool:
    return get_label_attribute(label) in label_set_type.__struct_fields__


@lru_cache(maxsize=1024)
def create_label_getter(label_set_type: type[Any], labels: Labels) -> Callable[[Any], Labels]:
    """Return a function that reads labels from a label set of that type, "" for labels that the type lacks."""
    if label_set_type is dict:
        return lambda label_set: tuple(label_set.get(label, "") for label in labels)
    known_fields = label_set_type.__struct_fields__
    attribute_names = [
        name if (name := get_label_attribute(label)) in known_fields else ABSENT_LABEL_ATTRIBUTE for label in labels
    ]
    if len(attribute_names) > 1:
        return attrgetter(*attribute_names)
    # attrgetter does not return a tuple for a single name.
    getters = [attrgetter(name) for name in attribute_names]
    return lambda label_set: tuple([getter(label_set) for getter in getters])


def _sort_by_name(children_by_name: dict[str, Any]) -> dict[str, Any]:
    sorted_names = sorted(children_by_name)
    return (
        children_by_name
        if sorted_names == list(children_by_name)
        else {name: children_by_name[name] for name in sorted_names}
    )


@lru_cache(maxsize=1024)
def _get_field_default(struct_type: type[msgspec.Struct], field: str) -> Any:
    field_info = next(info for info in msgspec.structs.fields(struct_type) if info.name == field)
    if field_info.default_factory is not msgspec.NODEFAULT:
        return EMPTY_MAPPING
    return None if field_info.default is msgspec.NODEFAULT else field_info.default
