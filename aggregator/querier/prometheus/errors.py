"""Errors and messages from upstreams: mapped to QueryError, redacted and truncated."""

import html
import json
import re
from collections.abc import Iterator
from typing import Any

import msgspec

from aggregator.errors import (
    HttpError,
    HttpErrorKind,
    NotListeningError,
    QueryError,
    QueryTimeoutError,
    ResponseTooLargeError,
    UnreachableError,
)
from aggregator.observability.redaction import Redactor
from aggregator.util.http_client import HTTP_LIBRARY_ERRORS, map_http_error

MAX_MESSAGES = 5
MAX_MESSAGE_CHARACTERS = 300
# Only the beginning of longer lists is decoded: a million warnings would take longer than the samples.
MAX_DECODED_MESSAGES_BYTES = 16 * 1024
# What decoding raises for bytes that are not the expected JSON.
JSON_DECODE_ERRORS = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
# What an exchange with an upstream can raise that is not a QueryError.
TRANSPORT_ERRORS = (HttpError, *HTTP_LIBRARY_ERRORS)

# Where products other than Prometheus have the message of an error.
_MESSAGE_NAMES = ("message", "Message", "msg", "detail", "title")
_PAGE_START_BYTES = 512
_PAGE_TITLE_PATTERN = re.compile(r"<title[^<>]{0,200}>([^<]{1,1000})</title", re.IGNORECASE)
# White space does not count against the length of a message.
_PLAIN_TEXT_CHARACTERS = 4 * MAX_MESSAGE_CHARACTERS

# More than the longest excerpt and the longest secret.
_MAX_EXCERPT_BYTES = 2**16
# Unlike msgspec, it can stop after one value.
_PREFIX_DECODER = json.JSONDecoder()
_LIST_START = re.compile(r"\s*\[\s*")
_LIST_SEPARATOR = re.compile(r"\s*,\s*")


def redact_message(text: str, redactor: Redactor, max_characters: int = MAX_MESSAGE_CHARACTERS) -> str:
    """Return a text redacted and truncated.

    All text from an upstream passes through this function or `excerpt_body`: it may repeat the credentials.
    """
    return redactor.redact(text, max_characters) + ("…" if len(text) > max_characters else "")


def excerpt_body(body: bytes, redactor: Redactor, max_characters: int) -> str:
    """Return the first characters of a body, redacted."""
    return redactor.redact(body[:_MAX_EXCERPT_BYTES].decode("utf-8", "replace"), max_characters)


def extract_error_message(body: bytes, reason_phrase: str, redactor: Redactor) -> str:
    """Return the message in the body of an error response, or the reason phrase of the status if it contains none.

    The body may be the JSON of Prometheus, that of another product, plain text, or the web page of a proxy.
    """
    reason = redact_message(reason_phrase, redactor) or "no reason given"
    if is_web_page(body):
        title = extract_page_title(body, redactor)
        return f"{reason} (web page: {title})" if title else reason
    try:
        document = msgspec.json.decode(body)
    except JSON_DECODE_ERRORS:
        return _extract_plain_text(body, redactor) or reason
    message = _find_json_message(document)
    # Encoded again: the escapes of the original may hide a secret.
    return redact_message(message or msgspec.json.encode(document).decode(), redactor)


def is_web_page(body: bytes) -> bool:
    """Return whether a body is HTML."""
    return body[:_PAGE_START_BYTES].lstrip().lower().startswith((b"<!doctype html", b"<html"))


def extract_page_title(body: bytes, redactor: Redactor) -> str:
    """Return the title of a web page, redacted and truncated; "" if there is none at its beginning."""
    text = body[:_MAX_EXCERPT_BYTES].decode("utf-8", "replace")
    match = _PAGE_TITLE_PATTERN.search(text)
    # A secret may be hidden by the escapes of HTML, and by their absence.
    return redact_message(_join_lines(html.unescape(redactor.redact(match[1]))), redactor) if match else ""


def _extract_plain_text(body: bytes, redactor: Redactor) -> str:
    """Return a body that is text on one line, redacted and truncated; "" if it is not text."""
    text = redact_message(_join_lines(excerpt_body(body, redactor, _PLAIN_TEXT_CHARACTERS)), redactor)
    # The escapes of truncated JSON may hide a secret.
    is_json = text.startswith(("{", "[", '"'))
    return text if text.isprintable() and "\ufffd" not in text and not is_json else ""


def _join_lines(text: str) -> str:
    return " ".join(text.split())


def _find_json_message(document: Any) -> str:
    """Return the message in the JSON of an error, "" if it is in no known place."""
    if isinstance(document, list) and document:
        document = document[0]
    if not isinstance(document, dict):
        return ""
    error = document.get("error")
    if isinstance(error, dict):
        return _join_kind(error.get("status") or error.get("code"), error.get("message"))
    if isinstance(error, str) and error:
        description = document.get("error_description")
        return _join_kind(error, description) or _join_kind(document.get("errorType", "error"), error)
    return next((text for name in _MESSAGE_NAMES if (text := _join_kind(None, document.get(name)))), "")


def _join_kind(kind: Any, message: Any) -> str:
    """Return the message after its kind, "" if it is not text."""
    if not isinstance(message, str) or not message:
        return ""
    return f"{kind}: {message}" if isinstance(kind, str | int) else message


def decode_messages(raw: msgspec.Raw, redactor: Redactor) -> tuple[str, ...]:
    """Return the first warnings or infos as texts. They may be a list, one text, null or any other JSON."""
    size_bytes = len(memoryview(raw))
    if size_bytes > MAX_DECODED_MESSAGES_BYTES:
        return _decode_truncated_messages(bytes(memoryview(raw)[:MAX_DECODED_MESSAGES_BYTES]), size_bytes, redactor)
    try:
        decoded = msgspec.json.decode(raw)
    except JSON_DECODE_ERRORS:
        return ("a message that cannot be decoded",)
    if decoded is None:
        return ()
    entries = decoded if isinstance(decoded, list) else [decoded]
    return tuple(_redact_entries([entry for entry in entries if entry not in (None, "")], redactor))


def _redact_entries(entries: list[Any], redactor: Redactor) -> Iterator[str]:
    for entry in entries[:MAX_MESSAGES]:
        yield _redact_entry(entry, redactor)
    if len(entries) > MAX_MESSAGES:
        yield f"and {len(entries) - MAX_MESSAGES} more"


def _redact_entry(entry: Any, redactor: Redactor) -> str:
    return redact_message(entry if isinstance(entry, str) else msgspec.json.encode(entry).decode(), redactor)


def _decode_truncated_messages(prefix: bytes, size_bytes: int, redactor: Redactor) -> tuple[str, ...]:
    """Return the first texts of a list from the beginning of its JSON, and the size of all of it."""
    messages = [
        _redact_entry(entry, redactor) for entry in _iterate_complete_entries(prefix.decode("utf-8", "replace"))
    ]
    return (
        (*messages, f"and more, {size_bytes} bytes in all")
        if messages
        else (f"{size_bytes} bytes of messages, too many to decode",)
    )


def _iterate_complete_entries(prefix: str) -> Iterator[Any]:
    """Yield the first entries of a truncated JSON list that are complete."""
    separator = _LIST_START.match(prefix)
    for _ in range(MAX_MESSAGES):
        if separator is None:
            return
        try:
            _, end = _PREFIX_DECODER.raw_decode(prefix, separator.end())
            entry = msgspec.json.decode(prefix[separator.end() : end])
        except (*JSON_DECODE_ERRORS, ValueError):
            return
        if entry not in (None, ""):
            yield entry
        separator = _LIST_SEPARATOR.match(prefix, end)


def map_transport_error(error: Exception, redactor: Redactor) -> QueryError:
    """Return the QueryError for a failed HTTP exchange, without secrets: the cause may quote the upstream."""
    http_error = map_http_error(error)
    match http_error.kind:
        case HttpErrorKind.CONNECTION_REFUSED:
            return NotListeningError(str(http_error))
        case HttpErrorKind.TIMEOUT:
            return QueryTimeoutError("no response within the query timeout")
        case HttpErrorKind.TOO_LARGE:
            return ResponseTooLargeError(str(http_error))
        case HttpErrorKind.INVALID_URL:
            return UnreachableError("the upstream redirects too often, or to an invalid URL")
        case HttpErrorKind.CLIENT_CERTIFICATE:
            return UnreachableError(f"{http_error} (PROMETHEUS_CLIENT_CERT_FILE)")
    return UnreachableError(redact_message(str(http_error), redactor))
