"""Clamps values to the physically possible range of their field, and counts the values that were outside it.

A rate that is sampled may exceed its range, and a part may be larger than the total that another exporter reports.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from aggregator.models.builder.entities import ColumnTable, EntityRegistry
from aggregator.models.builder.merge import BuildStats
from aggregator.models.catalog.row import MODEL_TYPES, ChildKind, EntityKind

BELOW_MINIMUM_REASON = "less than 0"


@dataclass(frozen=True)
class FieldRange:
    """The range of a field: from 0 to `maximum`, or to the value of the first of `total_fields` that has one."""

    entity_kind: EntityKind
    field: str
    maximum: float | None = None
    total_fields: tuple[str, ...] = ()
    child_kind: ChildKind | None = None

    def select_table(self, registries: Mapping[EntityKind, EntityRegistry]) -> ColumnTable:
        """Return the table with the values of the field."""
        registry = registries[self.entity_kind]
        return registry.get_child_table(self.child_kind) if self.child_kind else registry.table

    @property
    def model_name(self) -> str:
        """The name of the class of the objects."""
        return MODEL_TYPES[self.child_kind or self.entity_kind].__name__


_MEMORY_TOTALS = ("host_memory_bytes", "memory_bytes")

FIELD_RANGES = (
    FieldRange(EntityKind.NODE, "cpu_usage_percent", 100),
    FieldRange(EntityKind.NODE, "free_memory_bytes", total_fields=_MEMORY_TOTALS),
    FieldRange(EntityKind.NODE, "available_memory_bytes", total_fields=_MEMORY_TOTALS),
    FieldRange(EntityKind.NODE, "receive_bytes_per_second", child_kind=ChildKind.INTERFACE),
    FieldRange(EntityKind.NODE, "transmit_bytes_per_second", child_kind=ChildKind.INTERFACE),
    FieldRange(EntityKind.NODE, "utilization_percent", 100, child_kind=ChildKind.GPU),
    FieldRange(EntityKind.NODE, "used_memory_bytes", None, ("memory_bytes",), ChildKind.GPU),
    FieldRange(EntityKind.NODE, "root_available_bytes", None, ("size_bytes",), ChildKind.FILESYSTEM),
)


def clamp_values(
    registries: Mapping[EntityKind, EntityRegistry], stats: BuildStats, ranges: Iterable[FieldRange] = FIELD_RANGES
) -> None:
    """Replace each value outside the range of its field by the nearest value in the range, and count it."""
    for field_range in ranges:
        table = field_range.select_table(registries)
        column = table.columns.get(field_range.field, [])
        for index, nearest, reason in _find_values_outside(field_range, table, column):
            column[index] = nearest
            stats.limited[field_range.model_name, field_range.field, reason] += 1


def _find_values_outside(
    field_range: FieldRange, table: ColumnTable, column: Iterable[float | None]
) -> Iterator[tuple[int, float, str]]:
    """Yield the index of each value outside the range, the nearest value in the range, and the reason."""
    for index, value in enumerate(column):
        if value is None:
            continue
        if value < 0:
            yield index, 0, BELOW_MINIMUM_REASON
        elif field_range.maximum is not None and value > field_range.maximum:
            yield index, field_range.maximum, f"more than {field_range.maximum:g}"
        elif field_range.total_fields:
            totals = (table.get_value(index, field) for field in field_range.total_fields)
            total = next((total for total in totals if total is not None), None)
            # A total of 0 is no measurement.
            if total and value > total:
                yield index, total, f"more than {' or '.join(field_range.total_fields)}"
