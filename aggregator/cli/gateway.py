"""A running gateway, as the commands with --url see it: its documents, and its quality report.

The URL may point to any server, so documents are validated completely.
"""

import argparse
import dataclasses
from typing import Any, TypeVar, get_args, get_origin

import msgspec
from google.protobuf import json_format
from google.protobuf.message import Message

from aggregator.errors import AggregatorError, HttpError, HttpErrorKind
from aggregator.models.quality import Quality, QualityTotals, QueryResult
from aggregator.observability.redaction import Redactor
from aggregator.pb.aggregator.v1 import topology_pb2 as pb
from aggregator.querier.prometheus.credentials import BEARER_TOKEN_PATTERN
from aggregator.querier.prometheus.errors import JSON_DECODE_ERRORS, excerpt_body
from aggregator.settings import types
from aggregator.util.http_client import PLAIN_HTTP_ON_TLS_MESSAGE, ClientResponse, HttpClient

QUALITY_PATH = "/api/v1/quality"
FETCH_TIMEOUT_SECONDS = 120.0
MAX_RESPONSE_BYTES = 2**30
_MAX_ERROR_CHARACTERS = 200

_Record = TypeVar("_Record")


class FetchError(AggregatorError):
    """A document cannot be fetched from the gateway; the text says why."""


class InvalidQualityError(ValueError):
    """The document is not the v1 JSON of a quality report."""


class _ProblemDetail(msgspec.Struct):
    detail: str


def add_url_argument(parser: argparse.ArgumentParser) -> None:
    """Add the required argument --url to the parser of a command."""
    parser.add_argument(
        "--url",
        metavar="URL",
        type=parse_gateway_url,
        required=True,
        help="base URL of a running gateway: http://localhost:8080",
    )


def parse_gateway_url(text: str) -> str:
    """Return the base URL of a gateway, for argparse."""
    try:
        parts = types.split_http_url(text)
        types.check_url_port(parts)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"URL {error}") from None
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise argparse.ArgumentTypeError("URL must consist of scheme, host, port and path only")
    return text


def fetch_document(url: str, path: str, token: str) -> ClientResponse:
    """Return the response of a gateway at a path; raise FetchError for any status but 200."""
    response = send_request(url, path, token)
    if response.status != 200:
        raise FetchError(explain_status(response.status, response.body, token))
    return response


def explain_status(status: int, body: bytes, token: str) -> str:
    """Return why a gateway answered with a status other than 200."""
    if status == 401:
        return "the gateway rejected the token in TOKEN" if token else "a token is required: set TOKEN"
    if status == 403:
        return "this token gives no access to the topology"
    message = excerpt_body(_extract_problem_detail(body), Redactor([token]), _MAX_ERROR_CHARACTERS).strip()
    return f"HTTP {status}" + (f": {message}" if message else "")


def send_request(url: str, path: str, token: str, body: bytes | None = None) -> ClientResponse:
    """Return the response to a GET request, or with a body to a POST request; raise FetchError without a response."""
    headers = build_authorization(token)
    client = HttpClient(
        deadline_seconds=FETCH_TIMEOUT_SECONDS, max_response_bytes=MAX_RESPONSE_BYTES, uses_environment=True
    )
    with client:
        try:
            return client.send("GET" if body is None else "POST", url.rstrip("/") + path, headers, body)
        except HttpError as error:
            raise FetchError(Redactor([token]).redact(explain_http_error(error))) from None


def build_authorization(token: str) -> dict[str, str]:
    """Return the header with a token, none for an empty one; raise FetchError if it is not one word."""
    if token and not BEARER_TOKEN_PATTERN.fullmatch(token):
        raise FetchError("TOKEN must be one word of ASCII characters, without the word Bearer")
    return {"Authorization": f"Bearer {token}"} if token else {}


def explain_http_error(error: HttpError) -> str:
    """Return why no response arrived."""
    if error.kind is HttpErrorKind.NOT_HTTP and str(error) != PLAIN_HTTP_ON_TLS_MESSAGE:
        return f"{error}; is it the gRPC port of the gateway?"
    return str(error)


def _extract_problem_detail(body: bytes) -> bytes:
    """Return the `detail` of a problem document, or the whole body if it is something else."""
    try:
        return msgspec.json.decode(body, type=_ProblemDetail).detail.encode()
    except JSON_DECODE_ERRORS:
        return body


def parse_quality(document: bytes) -> Quality:
    """Return the quality of a v1 document; raise InvalidQualityError for anything else."""
    try:
        decoded = msgspec.json.decode(document, type=dict[str, Any])
        return _convert_quality(json_format.ParseDict(decoded, pb.Quality(), ignore_unknown_fields=True))
    except (*JSON_DECODE_ERRORS, json_format.ParseError, ValueError):
        raise InvalidQualityError("the response is not a v1 quality document") from None


def _convert_quality(message: pb.Quality) -> Quality:
    has_time = message.HasField("refresh_time")
    return _convert_message(
        message,
        Quality,
        refresh_seconds=message.refresh_time.seconds + message.refresh_time.nanos / 1e9 if has_time else None,
        totals=_convert_message(message.totals, QualityTotals) if message.HasField("totals") else None,
    )


def _convert_message(message: Message, record_type: type[_Record], **values: Any) -> _Record:
    """Return the record of a message whose fields have the same names; `values` are fields that are given."""
    for field in dataclasses.fields(record_type):  # type: ignore[arg-type] # a dataclass
        if field.name not in values:
            values[field.name] = _convert_field(message, field)
    return record_type(**values)


def _convert_field(message: Message, field: "dataclasses.Field[Any]") -> Any:
    value = getattr(message, field.name)
    if get_origin(field.type) is tuple:
        (part_type, _) = get_args(field.type)
        return tuple(value) if part_type is str else tuple(_convert_message(part, part_type) for part in value)
    if field.type is QueryResult:
        return QueryResult(value)
    if field.default is None and not message.HasField(field.name):
        return None
    return value
