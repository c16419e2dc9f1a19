"""Rewriting response bodies for a recording, and pseudonyms for the values of labels.

Equal values get equal pseudonyms, so that series still match.
"""

import hashlib
import re
from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from aggregator.errors import MalformedResponseError
from aggregator.querier.prometheus.decode import RESPONSE_PREFIX, split_response
from aggregator.querier.prometheus.errors import JSON_DECODE_ERRORS

# Returns the labels, or the warnings and infos, that are written instead.
LabelRewriter = Callable[[dict[str, str]], dict[str, str]]

MessageRewriter = Callable[[list[Any]], list[str]]


# The values that Prometheus writes. Any other text is not recorded: it may contain anything.
_SAMPLE_VALUE_PATTERN = re.compile(r"[-+]?(?:[0-9.]{1,400}(?:[eE][-+]?[0-9]{1,3})?|Inf|NaN)")

_INVALID_VALUE = "not a number"


class _Series(msgspec.Struct, gc=False):
    metric: dict[str, str]
    value: tuple[int | float, str]


class _Data(msgspec.Struct, rename="camel"):
    result: list[_Series] | None


class _Envelope(msgspec.Struct):
    data: _Data
    isPartial: msgspec.Raw = msgspec.Raw(b"false")  # noqa: N815 - the name in the response
    warnings: msgspec.Raw = msgspec.Raw(b"null")
    infos: msgspec.Raw = msgspec.Raw(b"null")


_envelope_decoder: msgspec.json.Decoder[_Envelope] = msgspec.json.Decoder(_Envelope)

_series_decoder: msgspec.json.Decoder[list[_Series]] = msgspec.json.Decoder(list[_Series])


def rewrite_body(body: bytes, rewrite_labels: LabelRewriter, rewrite_messages: MessageRewriter) -> bytes:
    """Return the body with rewritten samples, warnings and infos, its partial flag, and without any other field.

    Raises MalformedResponseError if it is not the response to an instant query.
    """
    try:
        *chunks, last_chunk = split_response(body)
        arrays = [_encode_rewritten_series(_series_decoder.decode(piece), rewrite_labels) for piece in chunks]
        envelope = _envelope_decoder.decode(last_chunk)
    except JSON_DECODE_ERRORS:
        raise MalformedResponseError("not a response to an instant query") from None
    arrays.append(_encode_rewritten_series(envelope.data.result or [], rewrite_labels))
    samples = b",".join(array[1:-1] for array in arrays if len(array) > 2)
    messages = {
        "warnings": rewrite_messages(_decode_message_list(envelope.warnings)),
        "infos": rewrite_messages(_decode_message_list(envelope.infos)),
    }
    extra_fields = [
        b',"%s":%s' % (name.encode(), msgspec.json.encode(texts)) for name, texts in messages.items() if texts
    ]
    if envelope.isPartial == msgspec.Raw(b"true"):
        extra_fields.append(b',"isPartial":true')
    return b"".join((RESPONSE_PREFIX, samples, b"]}", *extra_fields, b"}"))


def _encode_rewritten_series(series: list[_Series], rewrite_labels: LabelRewriter) -> bytes:
    for entry in series:
        entry.metric = rewrite_labels(entry.metric)
        at_seconds, text = entry.value
        if not _SAMPLE_VALUE_PATTERN.fullmatch(text):
            entry.value = (at_seconds, _INVALID_VALUE)
    return msgspec.json.encode(series)


def _decode_message_list(raw: msgspec.Raw) -> list[Any]:
    """Return the warnings or infos, which may be a list, one value or null."""
    decoded = msgspec.json.decode(raw)
    return decoded if isinstance(decoded, list) else [decoded] if decoded else []


OMITTED_MESSAGE = "omitted because labels are masked"

_PSEUDONYM_BYTES = 8


class Pseudonymizer:
    """Replaces the values of some labels by pseudonyms, keyed hashes with a random salt that is not stored."""

    def __init__(self, labels: Iterable[str], salt: bytes) -> None:
        self.labels: frozenset[str] = frozenset(labels)
        self.seen_labels: set[str] = set()
        self._salt = salt

    def pseudonymize(self, value: str) -> str:
        """Return the pseudonym of a value, without its surrounding whitespace; the empty value stays empty."""
        stripped = value.strip()
        if not stripped:
            return ""
        # Labels may contain lone surrogates, if an exporter sent invalid UTF-8.
        digest = hashlib.blake2b(
            stripped.encode("utf-8", "surrogatepass"), key=self._salt, digest_size=_PSEUDONYM_BYTES
        )
        return f"masked-{digest.hexdigest()}"

    def pseudonymize_body(self, body: bytes) -> bytes:
        """Return the body with pseudonyms, and without any other field than its samples.

        Each warning and info is replaced by a constant: it may quote masked values. Raises MalformedResponseError.
        """
        return rewrite_body(body, self._pseudonymize_metric, lambda messages: [OMITTED_MESSAGE] * len(messages))

    def _pseudonymize_metric(self, metric: dict[str, str]) -> dict[str, str]:
        for label in self.labels.intersection(metric):
            metric[label] = self.pseudonymize(metric[label])
            self.seen_labels.add(label)
        return metric


def expand_labels(labels: Iterable[str], aliases: Iterable[tuple[str, str]]) -> frozenset[str]:
    """Return the labels and, transitively, their aliases; `aliases` are pairs of a label and another one to mask."""
    aliases_by_label: dict[str, set[str]] = {}
    for label, alias in aliases:
        aliases_by_label.setdefault(label, set()).add(alias)
    expanded: set[str] = set()
    pending = list(labels)
    while pending:
        label = pending.pop()
        if label not in expanded:
            expanded.add(label)
            pending += aliases_by_label.get(label, ())
    return frozenset(expanded)
