"""What a watch shows: which objects, which of their fields, and which of their changes. Validated once."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from google.protobuf.descriptor import Descriptor

from aggregator.errors import BadRequestError
from aggregator.lookup.fields import (
    FIELD_ALIASES,
    ClusterWithMembers,
    ObjectKind,
    find_descriptor_field,
    get_descriptor,
    list_descriptor_fields,
)
from aggregator.lookup.filter_parser import FILTER_PARAMETER
from aggregator.lookup.request import (
    FIELDS_PARAMETER,
    LookupOptions,
    LookupPlan,
    Resource,
    build_depth_mask,
    intersect_masks,
    split_mask_by_message,
)
from aggregator.models.changes import CHANGE_KINDS, FIELD_CLASSES, ChangeKind, ObjectChange, get_object_key
from aggregator.models.topology import Topology
from aggregator.views.v1_format import FieldMask, get_attribute_name, is_map_field, is_timestamp_field

KIND_PARAMETER = "kind"
CHANGES_PARAMETER = "changes"
ALL_CHANGES = "all"
STRUCTURE = "structure"
CHANGE_SELECTIONS = (ALL_CHANGES, STRUCTURE)

_RESOURCES: Mapping[ChangeKind, Resource] = {
    "clusters": Resource.CLUSTERS,
    "nodes": Resource.NODES,
    "pods": Resource.PODS,
}
_STRUCTS_BY_NAME = {struct.__name__: struct for struct in FIELD_CLASSES}
# The fields of a cluster that are other objects of the topology.
_CLUSTER_MEMBERS = ("nodes", "pods")


@dataclass(frozen=True)
class WatchOptions:
    """The parameters that say what a watch shows. The default is everything. Equal watches have equal options."""

    kind: str = ""
    cluster: str = ""
    filter: str = ""
    labels: str = ""
    fields: tuple[str, ...] = ()
    depth: int | None = None
    changes: str = ""


class KindPlan:
    """The objects of one kind that a watch shows, and the mask of their fields."""

    def __init__(self, kind: ChangeKind, options: WatchOptions) -> None:
        self.kind: ChangeKind = kind
        self._cluster = options.cluster
        resource = _RESOURCES[kind]
        plan = LookupPlan(resource, LookupOptions(options.filter, options.labels, options.fields, options.depth))
        if plan.uses_relative_times:
            raise BadRequestError(
                "filter: relative times are not possible for changes; compare with a time such as 2026-11-20T20:57:08Z",
                parameter=FILTER_PARAMETER,
            )
        self._predicate = plan.build_predicate(Topology())
        message_type = resource.message_type
        message = get_descriptor(message_type)
        if kind == "clusters":
            _refuse_members(message, plan)
        self.filters_measurements = any(_is_measured(message, each.key) for each in plan.requirements)
        mask = intersect_masks(plan.mask, build_depth_mask(message_type, 0)) if kind == "clusters" else plan.mask
        if options.changes == STRUCTURE:
            mask = intersect_masks(mask, _build_structure_mask(message))
        if mask is not None:
            mask = {**mask, **dict.fromkeys(("id",) if kind == "clusters" else ("cluster", "id"))}
        self.masks_by_message = split_mask_by_message(mask, message_type)

    def shows(self, item: Any) -> bool:
        """Return whether the watch shows an object."""
        if self.kind == "clusters":
            if self._cluster and item.key != self._cluster:
                return False
            return self._predicate is None or self._predicate(ClusterWithMembers(item, (), ()))
        if self._cluster and item.cluster != self._cluster:
            return False
        return self._predicate is None or self._predicate(item)

    def list_objects(self, topology: Topology) -> list[Any]:
        """Return the objects of a topology that the watch shows, by cluster and ID."""
        objects: Iterable[Any] = getattr(topology, self.kind).values()
        return sorted(filter(self.shows, objects), key=get_object_key)

    def select_change(self, change: ObjectChange) -> ObjectChange | None:
        """Return a change as the watch shows it, None if it does not.

        An object that begins to match the filter is added for the watch, and one that no longer matches is removed.
        """
        before = change.before if change.before is not None and self.shows(change.before) else None
        after = change.after if change.after is not None and self.shows(change.after) else None
        if before is None and after is None:
            return None
        if before is change.before and after is change.after:
            return change
        return ObjectChange(change.kind, change.id, before, after)


class WatchPlan:
    """Validated options; raises BadRequestError if they are invalid."""

    def __init__(self, options: WatchOptions) -> None:
        _check_options(options)
        self.options = options
        self.is_structure = options.changes == STRUCTURE
        kinds: Iterable[ChangeKind] = [kind for kind in CHANGE_KINDS if options.kind in ("", kind)]
        self.kind_plans = tuple(KindPlan(kind, options) for kind in kinds)
        # What belongs to the whole topology.
        self.shows_properties = not options.kind and not options.cluster
        # A filter on a measurement selects other objects when only the measurement changes.
        self.needs_only_structure = self.is_structure and not any(plan.filters_measurements for plan in self.kind_plans)


# Clients repeat their requests.
create_watch_plan = lru_cache(maxsize=64)(WatchPlan)


def _check_options(options: WatchOptions) -> None:
    if options.kind == ObjectKind.CONTAINERS.value:
        raise BadRequestError(
            "kind: containers are parts of pods; use kind=pods, for example with fields=containers",
            parameter=KIND_PARAMETER,
            allowed=CHANGE_KINDS,
        )
    if options.kind not in ("", *CHANGE_KINDS):
        raise BadRequestError(
            f"kind: unknown kind {options.kind[:80]!r}", parameter=KIND_PARAMETER, allowed=CHANGE_KINDS
        )
    if options.changes not in ("", *CHANGE_SELECTIONS):
        raise BadRequestError(
            f"changes must be {ALL_CHANGES} or {STRUCTURE}, got {options.changes[:80]!r}",
            parameter=CHANGES_PARAMETER,
            allowed=CHANGE_SELECTIONS,
        )
    if not options.kind:
        for name in ("filter", "labels", "fields", "depth"):
            if getattr(options, name):
                raise BadRequestError(
                    f"{name} requires a kind of objects", parameter=KIND_PARAMETER, allowed=CHANGE_KINDS
                )
    if options.labels and options.kind != "nodes":
        raise BadRequestError("labels applies only to kind=nodes", parameter="labels")


def _refuse_members(message: Descriptor, plan: LookupPlan) -> None:
    """Refuse a watch of clusters that depends on their nodes and pods, which are objects of their own."""
    for requirement in plan.requirements:
        field = find_descriptor_field(message, requirement.key.partition(".")[0])
        if field is not None and field.name in _CLUSTER_MEMBERS:
            raise BadRequestError(
                f"filter: changes of clusters cannot be selected by {requirement.key[:80]}; use kind={field.name}",
                parameter=FILTER_PARAMETER,
            )
    for name in _CLUSTER_MEMBERS:
        if plan.mask is not None and name in plan.mask:
            raise BadRequestError(
                f"{FIELDS_PARAMETER}: changes of clusters have no {name}; use kind={name}", parameter=FIELDS_PARAMETER
            )


def _build_structure_mask(message: Descriptor) -> dict[str, Any]:
    """Return the mask of a message without measurements, also in its parts."""
    mask: dict[str, FieldMask] = {}
    for field in list_descriptor_fields(message):
        if _is_measurement(message, field):
            continue
        part = field.message_type
        is_part = part is not None and not is_timestamp_field(field) and not is_map_field(field)
        mask[field.name] = _build_structure_mask(part) if part is not None and is_part else None
    return mask


def _is_measurement(message: Descriptor, field: Any) -> bool:
    struct = _STRUCTS_BY_NAME.get(message.name)
    return struct is not None and get_attribute_name(message.name, field) in FIELD_CLASSES[struct].measurements


def _is_measured(message: Descriptor, key: str) -> bool:
    """Return whether the field that a valid filter names is a measurement."""
    name, _, rest = FIELD_ALIASES.get((message.name, key), key).partition(".")
    field = find_descriptor_field(message, name)
    if field is None or _is_measurement(message, field):
        return field is not None
    if field.message_type is None or is_timestamp_field(field) or is_map_field(field):
        return False
    return bool(rest) and _is_measured(field.message_type, rest)
