"""Request bodies: JSON of bounded size, as a protobuf message.

The names and types are those of the proto3 JSON mapping, in either spelling of the names. It is stricter than the
parser of the protobuf library in one respect: null and numbers in quotes are errors, except for 64-bit integers. Its
errors name the field.
"""

import json
import re
from collections.abc import Mapping
from typing import Any, TypeVar

from fastapi import Request
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from starlette.requests import ClientDisconnect

from aggregator.errors import BadRequestError, RequestTooLargeError
from aggregator.lookup.fields import get_descriptor, list_descriptor_fields, suggest_names
from aggregator.views.v1_format import is_map_field

# As much as gRPC accepts for a request message.
MAX_BODY_BYTES = 64 * 1024
TOO_LARGE_MESSAGE = f"the body must have at most {MAX_BODY_BYTES} bytes"

_MAX_SHOWN_CHARACTERS = 80
_INTEGER_LIMITS = {FieldDescriptor.TYPE_INT32: 2**31, FieldDescriptor.TYPE_INT64: 2**63}
_INTEGER_PATTERN = re.compile(r"-?[0-9]{1,19}")

_BodyMessage = TypeVar("_BodyMessage", bound=Message)


async def read_body(request: Request) -> bytes:
    """Return the body of a request; raise RequestTooLargeError as soon as it exceeds the limit."""
    body = b""
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > MAX_BODY_BYTES:
                raise RequestTooLargeError(TOO_LARGE_MESSAGE)
    except ClientDisconnect:
        raise BadRequestError("the body is incomplete") from None
    return body


def parse_json_message(body: bytes, message_type: type[_BodyMessage]) -> _BodyMessage:
    """Return the message in a JSON body; an empty body is an empty message. Raise BadRequestError if it is invalid."""
    message = message_type()
    if not body:
        return message
    try:
        document = json.loads(body.decode(), object_pairs_hook=_build_object, parse_constant=_refuse_constant)
    except RecursionError:
        raise BadRequestError("the body is nested too deeply") from None
    except ValueError as error:
        raise BadRequestError(f"the body must be JSON: {error}") from None
    _fill_message(message, document, "")
    return message


def _build_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document: dict[str, Any] = {}
    for name, value in pairs:
        if name in document:
            raise _build_repeated_error(name)
        document[name] = value
    return document


def _build_repeated_error(name: str) -> BadRequestError:
    shown = name[:_MAX_SHOWN_CHARACTERS]
    return BadRequestError(f"{shown} must be given only once", parameter=shown)


def _refuse_constant(constant: str) -> float:
    raise ValueError(f"{constant} is not a JSON number")


def _fill_message(message: Message, document: Any, prefix: str) -> None:
    if not isinstance(document, dict):
        raise _build_type_error(prefix.removesuffix("."), "an object", document)
    fields = list_descriptor_fields(get_descriptor(type(message)))
    fields_by_name = {name: field for field in fields for name in (field.json_name, field.name)}
    known: set[str] = set()
    for name, value in document.items():
        field = fields_by_name.get(name)
        if field is None:
            raise _build_unknown_field_error(f"{prefix}{name}", [f"{prefix}{each.name}" for each in fields])
        if field.name in known:
            raise _build_repeated_error(f"{prefix}{field.name}")
        known.add(field.name)
        _set_field(message, field, value, f"{prefix}{field.name}")


def _build_unknown_field_error(path: str, allowed: list[str]) -> BadRequestError:
    shown = path[:_MAX_SHOWN_CHARACTERS]
    return BadRequestError(
        f"unknown field {shown!r}", parameter=shown, allowed=allowed, nearest=suggest_names(path, allowed)
    )


def _set_field(message: Any, field: FieldDescriptor, value: Any, path: str) -> None:
    if is_map_field(field):
        _fill_map(getattr(message, field.name), value, path)
    elif field.is_repeated:
        _fill_list(getattr(message, field.name), field, value, path)
    elif field.message_type is not None:
        nested: Message = getattr(message, field.name)
        nested.SetInParent()
        _fill_message(nested, value, f"{path}.")
    else:
        setattr(message, field.name, _convert_scalar(field, value, path))


def _fill_map(entries: Any, value: Any, path: str) -> None:
    if not isinstance(value, Mapping):
        raise _build_type_error(path, "an object", value)
    for key, text in value.items():
        entries[_convert_text(key, path)] = _convert_text(text, f"{path}[{key[:_MAX_SHOWN_CHARACTERS]}]")


def _fill_list(entries: Any, field: FieldDescriptor, value: Any, path: str) -> None:
    if not isinstance(value, list):
        raise _build_type_error(path, "an array", value)
    for index, each in enumerate(value):
        if field.message_type is None:
            entries.append(_convert_scalar(field, each, f"{path}[{index}]"))
        else:
            _fill_message(entries.add(), each, f"{path}[{index}].")


def _convert_scalar(field: FieldDescriptor, value: Any, path: str) -> Any:
    if field.type == FieldDescriptor.TYPE_STRING:
        return _convert_text(value, path)
    if field.type in _INTEGER_LIMITS:
        return _convert_integer(field, value, path)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise _build_type_error(path, "a number", value)
    try:
        return float(value)
    except OverflowError:
        raise _build_type_error(path, "a smaller number", value) from None


def _convert_integer(field: FieldDescriptor, value: Any, path: str) -> int:
    is_text_allowed = field.type == FieldDescriptor.TYPE_INT64
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if is_text_allowed and isinstance(value, str) and _INTEGER_PATTERN.fullmatch(value):
        value = int(value)
    limit = _INTEGER_LIMITS[field.type]
    if isinstance(value, bool) or not isinstance(value, int) or not -limit <= value < limit:
        raise _build_type_error(path, "an integer, or its digits in quotes" if is_text_allowed else "an integer", value)
    return value


def _convert_text(value: Any, path: str) -> str:
    if not isinstance(value, str):
        raise _build_type_error(path, "text", value)
    try:
        value.encode()
    except UnicodeEncodeError:
        raise BadRequestError(f"{path} must be valid Unicode", parameter=path) from None
    return value


def _build_type_error(path: str, expected: str, value: Any) -> BadRequestError:
    found = json.dumps(value)[:_MAX_SHOWN_CHARACTERS]
    return BadRequestError(f"{path or 'the body'} must be {expected}, got {found}", parameter=path)
