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
class Map:
    """An object with free keys, sorted by code point."""

    value: "Shape"


@dataclass(frozen=True)
class Struct:
    """An object with these fields in this order; those in `always` are printed even when they are empty."""

    order: str
    inner: "dict[str, Shape]" = field(default_factory=dict)
    always: str = ""


@dataclass(frozen=True)
class Many:
    """An array of objects."""

    value: "Shape"


Shape = Map | Struct | Many | None

LOCATION = Struct("name continent country city latitude longitude")
AGREEMENT = Struct("name")
API = Struct("commProtocol protocolVersion dataFormat authentication authorization")
STATIC = Struct(
    "cpuArchitecture cpuCores cpuMaxFrequency gpuCores gpuMaxFrequency gpuRAMMemory RAMMemory storage",
    {"storage": Many(Struct("name type capacity"))},
)
DYNAMIC = Struct(
    "upTime cpuFrequency cpuTemperature cpuEnergyConsumption gpuFrequency gpuTemperature gpuEnergyConsumption "
    "freeRAM availableStorage",
    {"availableStorage": Struct("name free")},
    always="availableStorage",
)
INTERFACE = Struct("name type speed ip status subnetMask ingressUssage engressUssage")
NODE = Struct(
    "type uuid name location vulnerabilities ScaScore staticMetrics dynamicMetrics networkInterfaces devices",
    {
        "location": LOCATION,
        "vulnerabilities": Map(None),
        "staticMetrics": STATIC,
        "dynamicMetrics": DYNAMIC,
        "networkInterfaces": Map(INTERFACE),
        "devices": Map(Struct("name type status path")),
    },
    always="location staticMetrics dynamicMetrics",
)
POD = Struct(
    "name ip status numberOfContainers numberOfApps container",
    {"container": Map(Struct("name ip node port containerMemory cpuUsage"))},
)
CLUSTER = Struct(
    "type uuid name serviceLevelAgreement API node pod any",
    {"serviceLevelAgreement": AGREEMENT, "API": API, "node": Map(NODE), "pod": Map(POD)},
    always="serviceLevelAgreement API",
)
CONTROLLER = Struct(
    "type name location serviceLevelAgreement API any",
    {"location": LOCATION, "serviceLevelAgreement": AGREEMENT, "API": API},
    always="location serviceLevelAgreement API",
)
ROOT = Struct(
    "timestamp controller cluster",
    {
        "timestamp": Struct("oldestTimestamp timeSinceOldest"),
        "controller": Map(CONTROLLER),
        "cluster": Map(CLUSTER),
    },
    always="timestamp cluster",
)

ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\b": "\\b", "\f": "\\f"}
ESCAPED = {*"<>&\u2028\u2029", *(chr(code) for code in range(0x20))}


def difference(text: str) -> str | None:
    """Tell where the text first differs from the one that Go would write for its content, or None."""
    expected = encode(json.loads(text, parse_float=Decimal, parse_int=Decimal), ROOT, 0)
    if text == expected:
        return None
    at = next(
        (i for i, (a, b) in enumerate(zip(text, expected, strict=False)) if a != b), min(len(text), len(expected))
    )
    return (
        f"at character {at}: expected {expected[max(0, at - 40) : at + 40]!r}, got {text[max(0, at - 40) : at + 40]!r}"
    )


def encode(value: Json, shape: Shape, depth: int) -> str:
    """Return the value as Go writes it, indented with tabs."""
    if isinstance(value, dict):
        return _object(value, shape, depth)
    if isinstance(value, list):
        inner = shape.value if isinstance(shape, Many) else None
        return _block("[]", [encode(one, inner, depth + 1) for one in value], depth)
    if isinstance(value, str):
        return _string(value)
    return _number(value) if isinstance(value, Decimal) else json.dumps(value)


def _object(value: dict[str, Json], shape: Shape, depth: int) -> str:
    if isinstance(shape, Struct):
        always = shape.always.split()
        shown = [(name, value.get(name, {}), shape.inner.get(name)) for name in shape.order.split()]
        shown = [row for row in shown if row[1] or row[0] in always]
    else:
        inner = shape.value if isinstance(shape, Map) else None
        shown = [(name, value[name], inner) for name in sorted(value)]
    return _block("{}", [f"{_string(name)}: {encode(one, inner, depth + 1)}" for name, one, inner in shown], depth)


def _block(brackets: str, lines: list[str], depth: int) -> str:
    if not lines:
        return brackets
    inside = ",".join("\n" + "\t" * (depth + 1) + line for line in lines)
    return brackets[0] + inside + "\n" + "\t" * depth + brackets[1]


def _string(text: str) -> str:
    return '"' + "".join(ESCAPES.get(one) or (f"\\u{ord(one):04x}" if one in ESCAPED else one) for one in text) + '"'


def _number(value: Decimal) -> str:
    """Return an integer of 64 bits as it is, anything else as the shortest text of its 64-bit float."""
    if value == value.to_integral_value() and -(2**63) <= value < 2**63:
        return f"{int(value)}"
    number = float(value)
    sign, digits, _ = Decimal(repr(number)).as_tuple()
    shortest = "".join(map(str, digits)).rstrip("0") or "0"
    if 1e-6 <= abs(number) < 1e21:
        return f"{Decimal(repr(number)):f}".removesuffix(".0")
    power = math.floor(Decimal(repr(number)).adjusted())
    fraction = f".{shortest[1:]}" if len(shortest) > 1 else ""
    return f"{'-' if sign else ''}{shortest[0]}{fraction}e{'+' if power > 0 else '-'}{abs(power):02d}".replace(
        "e-0", "e-"
    )
