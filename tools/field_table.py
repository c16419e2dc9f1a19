"""The fields of all formats by telemetry family: which rows fill them, how they are derived, or why nothing does.

The rows come from the catalog, the fields from the protobuf messages and the model. `tools.field_notes` says the rest.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from typing import NamedTuple, cast

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from aggregator.models.catalog.default_catalog import ALL_FAMILIES, TelemetryFamily, compose_default_catalog
from aggregator.models.catalog.row import ICOS_LABELS, MODEL_TYPES, SYSTEM, ChildKind, EntityKind, ExporterKind, Row
from aggregator.pb.aggregator.v1 import topology_pb2 as pb
from aggregator.views.v1_format import CONTEXT_FIELDS, get_attribute_name, is_map_field, is_timestamp_field
from tools.field_notes import (
    DEFAULT_COLLECTORS,
    DERIVED_FIELDS,
    EXPORTERS,
    LAYOUT_NOTES,
    MISSING_FIELDS,
    REQUIREMENTS,
    Derivation,
    Requirement,
)
from tools.layout_fields import LAYOUTS, Layout, ModelField, find_shown_fields
from tools.model_fields import STRUCTS_BY_NAME

NOTES_PATH = "tools/field_notes.py"
NODE_EXPORTER_COLLECTOR = "collector "
# Only series of ICOS telemetry have labels with this prefix.
_ICOS_PREFIX = "icos_"
# Rows of these exporters describe objects of Kubernetes.
_KUBERNETES_KINDS = (ExporterKind.CLUSTER, ExporterKind.OPENTELEMETRY)


class FieldName(NamedTuple):
    """A field: its message, its name there ("" if only the model has it), and its name in the model ("" if none).

    `part` is the message of the objects that it contains, if it contains objects.
    """

    message: str
    name: str
    attribute: str
    part: str = ""

    @property
    def key(self) -> str:
        """Its name in the tables: that of the model, if the model has it."""
        return f"{self.message}.{self.attribute or self.name}"


@dataclass(frozen=True)
class FieldSources:
    """Where the values of a field come from in one family: rows, a derivation, or the reason why there are none."""

    rows: tuple[Row, ...] = ()
    derivation: Derivation | None = None
    reason: str = ""

    @property
    def is_filled(self) -> bool:
        """Whether the field can have a value."""
        return bool(self.rows or self.derivation)


@dataclass(frozen=True)
class FieldTable:
    """All fields, their rows in the order of precedence, and the notes about fields without rows."""

    fields: tuple[FieldName, ...]
    catalog: tuple[Row, ...]
    derived: Mapping[str, tuple[Derivation, ...]]
    missing: Mapping[str, Mapping[TelemetryFamily, str]]

    @cached_property
    def rows_by_key(self) -> Mapping[str, Mapping[TelemetryFamily, tuple[Row, ...]]]:
        """The rows that fill each field, or create the objects that it contains or names, by family."""
        found: dict[str, dict[TelemetryFamily, tuple[Row, ...]]] = {}
        for family in ALL_FAMILIES:
            for row in self.catalog:
                for key in _list_filled_keys(row, family) if serves_family(row, family) else ():
                    rows = found.setdefault(key, {})
                    rows[family] = (*rows.get(family, ()), row)
        return found

    @cached_property
    def rows_by_name(self) -> Mapping[str, Row]:
        """The rows by name."""
        return {row.name: row for row in self.catalog}

    @cached_property
    def parts(self) -> Mapping[str, str]:
        """The messages of the objects that fields contain."""
        return {field.key: field.part for field in self.fields if field.part}

    def find_sources(self, key: str, family: TelemetryFamily) -> FieldSources:
        """Return where a field gets its values in a family."""
        message, _, _ = key.partition(".")
        if reason := self.missing.get(message, {}).get(family):
            return FieldSources(reason=reason)
        if rows := self.rows_by_key.get(key, {}).get(family):
            return FieldSources(rows)
        derivations = [each for each in self.derived.get(key, ()) if family in each.families]
        for derivation in derivations:
            if all(self._is_available(source, family) for source in derivation.sources):
                return FieldSources(derivation=derivation)
        reasons = [
            *(self.missing.get(each, {}).get(family, "") for each in (key, self.parts.get(key, ""))),
            *(self.find_sources(source, family).reason for each in derivations for source in each.sources),
        ]
        return FieldSources(reason=next(filter(None, reasons), ""))

    def find_problems(self) -> Iterator[str]:
        """Yield a sentence for each field that has no entry, and for each entry that is wrong."""
        keys = {field.key for field in self.fields}
        for key in sorted({field.key for field in self.fields}):
            yield from self._find_field_problems(key)
        for key, part in self.parts.items():
            for family in set(self.rows_by_key.get(key, {})) & set(self.missing.get(part, {})):
                yield f"MISSING_FIELDS in {NOTES_PATH} says that {family} has no {part}, but rows create it: remove it"
        for key in sorted(set(self.derived) - keys):
            yield f"DERIVED_FIELDS in {NOTES_PATH} names {key}, which is no field: remove it"
        for key in sorted(set(self.missing) - keys - {field.message for field in self.fields}):
            yield f"MISSING_FIELDS in {NOTES_PATH} names {key}, which is neither a field nor a message: remove it"
        for key, derivations in self.derived.items():
            for source in (source for derivation in derivations for source in derivation.sources):
                if source not in keys and source not in self.rows_by_name:
                    yield f"DERIVED_FIELDS in {NOTES_PATH} derives {key} from {source}, which is no field and no row"

    def _find_field_problems(self, key: str) -> Iterator[str]:
        sources = {family: self.find_sources(key, family) for family in ALL_FAMILIES}
        without = [family for family, found in sources.items() if not (found.is_filled or found.reason)]
        if without:
            families = ", ".join(without)
            yield (
                f"{key} has no entry in the table of fields for {families}: add a row that fills it, or say in "
                f"{NOTES_PATH} why nothing does (MISSING_FIELDS) or how it is computed (DERIVED_FIELDS)"
            )
        for family in self.missing.get(key, {}):
            if sources[family].is_filled:
                yield f"MISSING_FIELDS in {NOTES_PATH} says that {key} has no value for {family}, but it has: remove it"

    def _is_available(self, source: str, family: TelemetryFamily) -> bool:
        if row := self.rows_by_name.get(source):
            return serves_family(row, family)
        return self.find_sources(source, family).is_filled


def build_field_table() -> FieldTable:
    """Return the table of the committed messages, model, catalog and notes."""
    return FieldTable(tuple(list_fields()), compose_default_catalog(), DERIVED_FIELDS, MISSING_FIELDS)


def list_fields() -> Iterator[FieldName]:
    """Yield all fields of the messages in a Topology, then those that only the model has."""
    shown = set()
    for message in _iter_messages(cast("Descriptor", pb.Topology.DESCRIPTOR)):
        context_fields = CONTEXT_FIELDS.get(message.name, frozenset())
        for field in message.fields:
            attribute = "" if field.name in context_fields else get_attribute_name(message.name, field)
            shown.add((message.name, attribute or field.name))
            part = field.message_type.name if field.message_type is not None and _is_part(field) else ""
            yield FieldName(message.name, field.name, attribute, part)
    for name, struct in STRUCTS_BY_NAME.items():
        yield from (
            FieldName(name, "", attribute) for attribute in struct.__struct_fields__ if (name, attribute) not in shown
        )


def serves_family(row: Row, family: TelemetryFamily) -> bool:
    """Return whether a row describes objects of a family.

    A query without a label of ICOS describes no object of ICOS telemetry. Hosts without Kubernetes, which are the
    family of ETIM, have no exporter of Kubernetes.
    """
    if row.name not in _list_queried_rows(family):
        return False
    if family is TelemetryFamily.ICOS:
        labels = row.expression.labels
        return labels is None or row.entity_selector is SYSTEM or not set(ICOS_LABELS).isdisjoint(labels)
    return family is not TelemetryFamily.ETIM or row.exporter.kind not in _KUBERNETES_KINDS


@cache
def _list_queried_rows(family: TelemetryFamily) -> frozenset[str]:
    return frozenset(row.name for row in compose_default_catalog(families=(family,)))


def find_requirement(row: Row) -> Requirement:
    """Return what the exporter of a row needs: the note about the row, its optional part, or the exporter."""
    for key in (row.name, str(row.exporter), row.exporter.name):
        if key in REQUIREMENTS:
            return REQUIREMENTS[key]
    return Requirement(EXPORTERS[row.exporter.name])


def find_exporter_problems(catalog: Iterable[Row]) -> Iterator[str]:
    """Yield a sentence for each exporter or collector without a note."""
    for exporter in dict.fromkeys(row.exporter for row in catalog):
        if exporter.name not in EXPORTERS:
            yield f"the exporter {exporter.name} is not in EXPORTERS in {NOTES_PATH}: add it with its oldest version"
        collector = exporter.component.removeprefix(NODE_EXPORTER_COLLECTOR)
        if (
            collector != exporter.component
            and collector not in DEFAULT_COLLECTORS
            and str(exporter) not in REQUIREMENTS
        ):
            yield (
                f"{exporter} is neither in DEFAULT_COLLECTORS nor in REQUIREMENTS in {NOTES_PATH}: add its flag if it "
                "is disabled by default"
            )
    names = {key for row in catalog for key in (row.name, str(row.exporter), row.exporter.name)}
    for key in sorted({*REQUIREMENTS, *EXPORTERS} - names):
        yield f"{NOTES_PATH} names {key}, which is neither an exporter nor a row: remove it"


def find_layout_problems(layout: Layout, shown: Mapping[str, list[ModelField]]) -> Iterator[str]:
    """Yield a sentence for each field of a layout that shows no field of the model and has no note, and vice versa."""
    notes = LAYOUT_NOTES[layout.name]
    for path, fields in shown.items():
        if not fields and path not in notes:
            yield (
                f"{path} of the layout {layout.name} shows no field of the model: say why in LAYOUT_NOTES in "
                f"{NOTES_PATH}"
            )
        elif fields and path in notes:
            yield f"LAYOUT_NOTES in {NOTES_PATH} explains why {path} shows nothing, but it does: remove it"
    for path in sorted(set(notes) - set(shown)):
        yield f"LAYOUT_NOTES in {NOTES_PATH} names {path}, which the layout {layout.name} does not have: remove it"


def find_all_problems() -> list[str]:
    """Return a sentence for each thing that the table lacks, or has although it does not exist."""
    table = build_field_table()
    problems = [*table.find_problems(), *find_exporter_problems(table.catalog)]
    for layout in LAYOUTS:
        problems += find_layout_problems(layout, find_shown_fields(layout))
    return problems


def _is_part(field: FieldDescriptor) -> bool:
    return not is_map_field(field) and not is_timestamp_field(field)


def _iter_messages(message: Descriptor) -> Iterator[Descriptor]:
    """Yield a message and those that it contains, each once."""
    seen: dict[str, Descriptor] = {}

    def visit(current: Descriptor) -> None:
        if current.name in seen:
            return
        seen[current.name] = current
        for field in current.fields:
            if field.message_type is not None and _is_part(field):
                visit(field.message_type)

    visit(message)
    yield from seen.values()


def _list_filled_keys(row: Row, family: TelemetryFamily) -> Iterator[str]:
    """Yield the fields that a row fills, and those that contain or name the objects that it creates."""
    selector = row.entity_selector
    target = MODEL_TYPES.get(selector.child_kind or selector.kind)
    if target is not None:
        yield from dict.fromkeys(
            f"{target.__name__}.{mapping.field}"
            for mapping in row.field_mappings
            if family is TelemetryFamily.ICOS or not mapping.value_label.startswith(_ICOS_PREFIX)
        )
    if selector.child_kind is not None and target is not None and not selector.known_children_only:
        yield f"{MODEL_TYPES[selector.kind].__name__}.{selector.child_kind.value}"
        yield f"{target.__name__}.{target.__struct_fields__[0]}"
    if selector.identities and selector.kind in (EntityKind.NODE, EntityKind.POD) and selector.child_kind is None:
        yield f"Cluster.{selector.kind.value}s"


def list_object_kinds(rows: Iterable[Row]) -> list[str]:
    """Return the names of the objects that rows fill fields of, in the order of the model."""
    kinds: set[EntityKind | ChildKind] = {row.entity_selector.child_kind or row.entity_selector.kind for row in rows}
    if EntityKind.ORCHESTRATOR in kinds:
        kinds.add(EntityKind.CLUSTER)
    return [struct.__name__ for kind, struct in MODEL_TYPES.items() if kind in kinds]
