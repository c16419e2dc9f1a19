"""The bytes that Go's encoding/json would write for our document: a second, small encoder to check ours against.

It knows the order of the fields of each object; a field outside that order, or a zero that Go would leave out,
therefore shows as a difference of the texts. Whole numbers stay as they are written, others are written anew.
"""

import json
import math
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

Json = Any  # any JSON document


@dataclass(frozen=True)
class GoMap:
    """An object with free keys, sorted by code point."""

    value: "Shape"


@dataclass(frozen=True)
class GoStruct:
    """An object with these fields in this order; those in `always` are printed even when they are empty."""

    field_order: str
    field_shapes: "dict[str, Shape]" = field(default_factory=dict)
    required_fields: str = ""


@dataclass(frozen=True)
class GoSlice:
    """An array of objects."""

    value: "Shape"


Shape = GoMap | GoStruct | GoSlice | None

LOCATION = GoStruct("name continent country city latitude longitude")
AGREEMENT = GoStruct("name")
API = GoStruct("commProtocol protocolVersion dataFormat authentication authorization")
STATIC = GoStruct(
    "cpuArchitecture cpuCores cpuMaxFrequency gpuCores gpuMaxFrequency gpuRAMMemory RAMMemory storage",
    {"storage": GoSlice(GoStruct("name type capacity"))},
)
DYNAMIC = GoStruct(
    "upTime cpuFrequency cpuTemperature cpuEnergyConsumption gpuFrequency gpuTemperature gpuEnergyConsumption "
    "freeRAM availableStorage",
    {"availableStorage": GoStruct("name free")},
    required_fields="availableStorage",
)
INTERFACE = GoStruct("name type speed ip status subnetMask ingressUssage engressUssage")
NODE = GoStruct(
    "type uuid name location vulnerabilities ScaScore staticMetrics dynamicMetrics networkInterfaces devices",
    {
        "location": LOCATION,
        "vulnerabilities": GoMap(None),
        "staticMetrics": STATIC,
        "dynamicMetrics": DYNAMIC,
        "networkInterfaces": GoMap(INTERFACE),
        "devices": GoMap(GoStruct("name type status path")),
    },
    required_fields="location staticMetrics dynamicMetrics",
)
POD = GoStruct(
    "name ip status numberOfContainers numberOfApps container",
    {"container": GoMap(GoStruct("name ip node port containerMemory cpuUsage"))},
)
CLUSTER = GoStruct(
    "type uuid name serviceLevelAgreement API node pod any",
    {"serviceLevelAgreement": AGREEMENT, "API": API, "node": GoMap(NODE), "pod": GoMap(POD)},
    required_fields="serviceLevelAgreement API",
)
CONTROLLER = GoStruct(
    "type name location serviceLevelAgreement API any",
    {"location": LOCATION, "serviceLevelAgreement": AGREEMENT, "API": API},
    required_fields="location serviceLevelAgreement API",
)
ROOT = GoStruct(
    "timestamp controller cluster",
    {
        "timestamp": GoStruct("oldestTimestamp timeSinceOldest"),
        "controller": GoMap(CONTROLLER),
        "cluster": GoMap(CLUSTER),
    },
    required_fields="timestamp cluster",
)

ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\b": "\\b", "\f": "\\f"}
ESCAPED = {*"<>&\u2028\u2029", *(chr(code) for code in range(0x20))}


def find_layout_difference(text: str) -> str | None:
    """Tell where the text first differs from the one that Go would write for its content, or None."""
    expected = encode_value(json.loads(text, parse_float=Decimal, parse_int=Decimal), ROOT, 0)
    if text == expected:
        return None
    at = next(
        (i for i, (a, b) in enumerate(zip(text, expected, strict=False)) if a != b), min(len(text), len(expected))
    )
    return (
        f"at character {at}: expected {expected[max(0, at - 40) : at + 40]!r}, got {text[max(0, at - 40) : at + 40]!r}"
    )


def encode_value(value: Json, shape: Shape, depth: int) -> str:
    """Return the value as Go writes it, indented with tabs."""
    if isinstance(value, dict):
        return _encode_object(value, shape, depth)
    if isinstance(value, list):
        inner = shape.value if isinstance(shape, GoSlice) else None
        return _format_block("[]", [encode_value(one, inner, depth + 1) for one in value], depth)
    if isinstance(value, str):
        return _encode_string(value)
    return _encode_number(value) if isinstance(value, Decimal) else json.dumps(value)


def _encode_object(value: dict[str, Json], shape: Shape, depth: int) -> str:
    if isinstance(shape, GoStruct):
        always = shape.required_fields.split()
        members = [(name, value.get(name, {}), shape.field_shapes.get(name)) for name in shape.field_order.split()]
        members = [row for row in members if row[1] or row[0] in always]
    else:
        inner = shape.value if isinstance(shape, GoMap) else None
        members = [(name, value[name], inner) for name in sorted(value)]
    return _format_block(
        "{}", [f"{_encode_string(name)}: {encode_value(one, inner, depth + 1)}" for name, one, inner in members], depth
    )


def _format_block(brackets: str, lines: list[str], depth: int) -> str:
    if not lines:
        return brackets
    inside = ",".join("\n" + "\t" * (depth + 1) + line for line in lines)
    return brackets[0] + inside + "\n" + "\t" * depth + brackets[1]


def _encode_string(text: str) -> str:
    return '"' + "".join(ESCAPES.get(one) or (f"\\u{ord(one):04x}" if one in ESCAPED else one) for one in text) + '"'


def _encode_number(value: Decimal) -> str:
    """Return an integer of 64 bits as it is, anything else as the shortest text of its 64-bit float."""
    if value == value.to_integral_value() and -(2**63) <= value < 2**63:
        return f"{int(value)}"
    number = float(value)
    sign, digits, _ = Decimal(repr(number)).as_tuple()
    digits_text = "".join(map(str, digits)).rstrip("0") or "0"
    if 1e-6 <= abs(number) < 1e21:
        return f"{Decimal(repr(number)):f}".removesuffix(".0")
    power = math.floor(Decimal(repr(number)).adjusted())
    fraction = f".{digits_text[1:]}" if len(digits_text) > 1 else ""
    return f"{'-' if sign else ''}{digits_text[0]}{fraction}e{'+' if power > 0 else '-'}{abs(power):02d}".replace(
        "e-0", "e-"
    )
