"""The description of a value of the chart, and the JSON schema and the YAML that follow from it."""

import json
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import yaml

Schema = dict[str, Any]

_WIDTH = 118


@dataclass(frozen=True)
class Value:
    """A value that users set: its default, and the JSON schema of what they may set."""

    name: str
    description: str
    schema: Schema
    default: Any = None

    @property
    def is_required(self) -> bool:
        """Whether the templates need it. Without a value, Helm removes it: `settings:` without settings is empty."""
        is_empty = self.default in (None, "") or isinstance(self.default, dict | list)
        return not is_empty and "null" not in self.schema.get("type", ())


@dataclass(frozen=True)
class OptionalValue(Value):
    """A value that Helm or a parent chart sets. It is in the schema, but neither in values.yaml nor in the docs."""


@dataclass(frozen=True)
class Group:
    """A mapping of values."""

    name: str
    description: str
    children: "tuple[Value | Group, ...]" = field(default_factory=tuple)


def build_schema(root: Group) -> Schema:
    """Return the JSON schema of a group, which accepts no other names."""
    return {
        "description": root.description,
        "type": "object",
        "additionalProperties": False,
        "required": [child.name for child in root.children if isinstance(child, Group) or child.is_required],
        "properties": {child.name: _build_child_schema(child) for child in root.children},
    }


def _build_child_schema(child: Value | Group) -> Schema:
    if isinstance(child, Group):
        return build_schema(child)
    return {"description": child.description, **child.schema}


def render_schema(root: Group) -> str:
    """Return values.schema.json."""
    schema = {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "Values of the chart",
        **build_schema(root),
    }
    return json.dumps(schema, indent=2) + "\n"


def render_values(root: Group, header: str) -> str:
    """Return values.yaml, with each description as a comment."""
    return header + "\n" + "\n".join(_render_children(root.children, indent=0))


def _render_children(children: Sequence[Value | Group], indent: int) -> Iterator[str]:
    margin = "  " * indent
    for child in children:
        if isinstance(child, OptionalValue):
            continue
        comment = textwrap.wrap(child.description, _WIDTH - len(margin) - 2, break_on_hyphens=False)
        yield "".join(f"{margin}# {line}\n" for line in comment) + _render_child(child, margin, indent)


def _render_child(child: Value | Group, margin: str, indent: int) -> str:
    if isinstance(child, Group):
        return f"{margin}{child.name}:\n" + "".join(_render_children(child.children, indent + 1))
    if isinstance(child.default, dict | list) and child.default:
        text = yaml.safe_dump(child.default, sort_keys=False, default_flow_style=False)
        return f"{margin}{child.name}:\n" + textwrap.indent(text, margin + "  ")
    return f"{margin}{child.name}: {json.dumps(child.default)}\n"


def list_rows(root: Group, prefix: str = "") -> Iterator[tuple[str, str, str]]:
    """Yield the path, the default and the description of each value that users set."""
    for child in root.children:
        path = f"{prefix}{child.name}"
        if isinstance(child, Group):
            yield from list_rows(child, f"{path}.")
        elif not isinstance(child, OptionalValue):
            yield path, json.dumps(child.default), child.description
