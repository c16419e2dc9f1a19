"""Pseudonyms for the values of labels: the same for the same value, so that what belongs together still does."""

import hashlib
from collections.abc import Iterable

import msgspec

from aggregator.errors import MalformedError
from aggregator.querier.pieces import pieces
from aggregator.querier.said import NOT_JSON

LEFT_OUT = "left out, because labels are masked"
_PSEUDONYM_BYTES = 8


class _Series(msgspec.Struct, gc=False):
    metric: dict[str, str]
    value: msgspec.Raw


class _Data(msgspec.Struct, rename="camel"):
    result: list[_Series]


class _Envelope(msgspec.Struct):
    data: _Data
    warnings: msgspec.Raw = msgspec.Raw(b"null")
    infos: msgspec.Raw = msgspec.Raw(b"null")


_envelopes: msgspec.json.Decoder[_Envelope] = msgspec.json.Decoder(_Envelope)
_arrays: msgspec.json.Decoder[list[_Series]] = msgspec.json.Decoder(list[_Series])


class Mask:
    """Replaces the values of some labels by pseudonyms, by a random salt that is nowhere but here."""

    def __init__(self, labels: Iterable[str], salt: bytes) -> None:
        self.labels: frozenset[str] = frozenset(labels)
        self.seen: set[str] = set()
        self._salt = salt

    def pseudonym(self, value: str) -> str:
        """Return what stands for a value; white space around it does not count, and nothing stays nothing."""
        bare = value.strip()
        if not bare:
            return ""
        # Labels may hold lone surrogates, where an exporter sent bytes that are no text.
        digest = hashlib.blake2b(bare.encode("utf-8", "surrogatepass"), key=self._salt, digest_size=_PSEUDONYM_BYTES)
        return f"masked-{digest.hexdigest()}"

    def body(self, body: bytes) -> bytes:
        """Return the body of an answer with pseudonyms, and nothing else of it than its samples.

        Raises MalformedError for what is no answer. Of what the upstream said beside the samples only how many texts
        it were is kept: they may repeat what was masked.
        """
        try:
            *first, last = pieces(body)
            arrays = [self._masked(_arrays.decode(piece)) for piece in first]
            envelope = _envelopes.decode(last)
        except NOT_JSON:
            raise MalformedError(f"the answer is not that of an instant query; {LEFT_OUT}") from None
        arrays.append(self._masked(envelope.data.result))
        samples = b",".join(array[1:-1] for array in arrays if len(array) > 2)
        said = {"warnings": _number(envelope.warnings), "infos": _number(envelope.infos)}
        beside = "".join(
            f',"{name}":{msgspec.json.encode([LEFT_OUT] * count).decode()}' for name, count in said.items() if count
        )
        head = b'{"status":"success","data":{"resultType":"vector","result":['
        return b"".join((head, samples, b"]}", beside.encode(), b"}"))

    def _masked(self, series: list[_Series]) -> bytes:
        for each in series:
            self._mask(each.metric)
        return msgspec.json.encode(series)

    def _mask(self, metric: dict[str, str]) -> None:
        for label in self.labels.intersection(metric):
            metric[label] = self.pseudonym(metric[label])
            self.seen.add(label)


def _number(raw: msgspec.Raw) -> int:
    said = msgspec.json.decode(raw)
    if not said:
        return 0
    return len(said) if isinstance(said, list) else 1


def together(labels: Iterable[str], telling: Iterable[tuple[str, str]]) -> frozenset[str]:
    """Return the labels and, of `telling`, each second label that tells what a first one among them does."""
    told_by: dict[str, set[str]] = {}
    for label, other in telling:
        told_by.setdefault(label, set()).add(other)
    found: set[str] = set()
    waiting = list(labels)
    while waiting:
        label = waiting.pop()
        if label not in found:
            found.add(label)
            waiting += told_by.get(label, ())
    return frozenset(found)
