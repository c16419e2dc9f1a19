"""JSON schemas that several parts of the OpenAPI document have in common."""

from collections.abc import Mapping, Sequence
from typing import Any


def build_object_schema(
    title: str, properties: Mapping[str, Any], required: Sequence[str] | None = None, description: str = ""
) -> dict[str, Any]:
    """Return the schema of an object without other properties; by default, all of them are required."""
    names = list(properties if required is None else required)
    return {
        **({"title": title} if title else {}),
        **({"description": description} if description else {}),
        "type": "object",
        "properties": dict(properties),
        **({"required": names} if names else {}),
        "additionalProperties": False,
    }
