"""The body of an answer, written anew with other labels, and other words beside its samples."""

import re
from collections.abc import Callable
from typing import Any

import msgspec

from aggregator.errors import MalformedError
from aggregator.querier.pieces import HEAD, pieces
from aggregator.querier.said import NOT_JSON

# What to write instead of the labels of a series, and instead of what was said beside the samples.
Relabel = Callable[[dict[str, str]], dict[str, str]]
Retell = Callable[[list[Any]], list[str]]


# What Prometheus writes as a value. What else may stand there, an upstream has from elsewhere: it is not repeated.
_VALUE = re.compile(r"[-+]?(?:[0-9.]{1,400}(?:[eE][-+]?[0-9]{1,3})?|Inf|NaN)")
_NO_VALUE = "no number"


class _Series(msgspec.Struct, gc=False):
    metric: dict[str, str]
    value: tuple[int | float, str]


class _Data(msgspec.Struct, rename="camel"):
    result: list[_Series]


class _Envelope(msgspec.Struct):
    data: _Data
    warnings: msgspec.Raw = msgspec.Raw(b"null")
    infos: msgspec.Raw = msgspec.Raw(b"null")


_envelopes: msgspec.json.Decoder[_Envelope] = msgspec.json.Decoder(_Envelope)
_arrays: msgspec.json.Decoder[list[_Series]] = msgspec.json.Decoder(list[_Series])


def rewritten(body: bytes, relabel: Relabel, retell: Retell) -> bytes:
    """Return the body of an answer with nothing else of it than its samples and what was said beside them.

    Raises MalformedError for what is no answer.
    """
    try:
        *first, last = pieces(body)
        arrays = [_relabelled(_arrays.decode(piece), relabel) for piece in first]
        envelope = _envelopes.decode(last)
    except NOT_JSON:
        raise MalformedError("the answer is not that of an instant query") from None
    arrays.append(_relabelled(envelope.data.result, relabel))
    samples = b",".join(array[1:-1] for array in arrays if len(array) > 2)
    said = {"warnings": retell(_listed(envelope.warnings)), "infos": retell(_listed(envelope.infos))}
    beside = (b',"%s":%s' % (name.encode(), msgspec.json.encode(texts)) for name, texts in said.items() if texts)
    return b"".join((HEAD, samples, b"]}", *beside, b"}"))


def _relabelled(series: list[_Series], relabel: Relabel) -> bytes:
    for each in series:
        each.metric = relabel(each.metric)
        at_seconds, text = each.value
        if not _VALUE.fullmatch(text):
            each.value = (at_seconds, _NO_VALUE)
    return msgspec.json.encode(series)


def _listed(raw: msgspec.Raw) -> list[Any]:
    """Return what was said, whether it is a list, one text, or nothing."""
    said = msgspec.json.decode(raw)
    return said if isinstance(said, list) else [said] if said else []
