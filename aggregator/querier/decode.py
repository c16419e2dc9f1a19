"""From the bytes of an answer to samples: the only file that knows Prometheus' wire format.

The format: https://prometheus.io/docs/prometheus/latest/querying/api/#instant-queries
"""

import contextlib
import keyword
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

import msgspec

from aggregator.errors import MalformedError
from aggregator.querier.pieces import PIECE_BYTES, pieces


class Point(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """A value as text, and the time it is for, in seconds since the epoch."""

    time: float
    text: str


class Sample(msgspec.Struct, frozen=True, gc=False):
    """One series of an instant vector: the labels that were asked for, and its value.

    `metric` has an attribute for each wanted label ("" where the series lacks it), or is a dict of
    all labels where a query asks for all.
    """

    metric: Any
    value: Point


@dataclass(frozen=True)
class Answer:
    """What one query gave: its samples, in the order they came, and what the upstream said beside them.

    A warning means that data may be missing; a remark (`infos`, Prometheus 3) that the query may be odd.
    """

    samples: list[Sample]
    warnings: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()


Decoder = Callable[[bytes], Answer]


def attribute(label: str) -> str:
    """Return the attribute of `Sample.metric` that holds `label`."""
    return f"{label}_" if keyword.iskeyword(label) else label


@lru_cache(maxsize=256)
def decoder(labels: tuple[str, ...] | None, piece_bytes: int = PIECE_BYTES) -> Decoder:
    """Return a function that turns an answer's bytes into samples with just `labels`; None keeps all of them.

    The function raises MalformedError for whatever is not a successful answer with an instant vector
    of plain numbers: other result types, native histograms, JSON that is cut, nested without end or no JSON.
    """
    metric = dict[str, str] if labels is None else _label_struct(labels)
    sample = _sample(metric)
    whole = msgspec.json.Decoder(_envelope(sample))
    array = msgspec.json.Decoder(list[sample])  # type: ignore[valid-type] # made at run time

    def answer(envelope: Any, samples: list[Sample]) -> Answer:
        return Answer(samples + envelope.data.result, tuple(envelope.warnings), tuple(envelope.infos))

    def in_pieces(body: bytes) -> Answer:
        samples: list[Sample] = []
        *first, last = pieces(body, piece_bytes)
        for piece in first:
            samples += array.decode(piece)
        return answer(whole.decode(last), samples)

    def decode(body: bytes) -> Answer:
        try:
            with contextlib.suppress(*_NOT_JSON):
                return in_pieces(body)
            # Only the whole tells what is wrong with it, and where.
            return answer(whole.decode(body), [])
        except _NOT_JSON as error:
            raise MalformedError(f"{error}; the answer begins with {_beginning(body)}") from error

    return decode


_NOT_JSON = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


def _label_struct(labels: tuple[str, ...]) -> type[msgspec.Struct]:
    names = {attribute(label): label for label in labels}
    return msgspec.defstruct(
        "Labels",
        [(name, str, "") for name in names],
        rename={name: label for name, label in names.items() if name != label},
        frozen=True,
        gc=False,
    )


def _sample(metric: type) -> Any:
    return msgspec.defstruct("Sample", [("metric", metric), ("value", Point)], bases=(Sample,), frozen=True, gc=False)


def _envelope(sample: Any) -> Any:
    data = msgspec.defstruct("Data", [("resultType", Literal["vector"]), ("result", list[sample])])
    return msgspec.defstruct(
        "Envelope",
        [
            ("status", Literal["success"]),
            ("data", data),
            ("warnings", list[str], msgspec.field(default_factory=list)),
            ("infos", list[str], msgspec.field(default_factory=list)),
        ],
    )


def _beginning(body: bytes) -> str:
    return repr(body[:60].decode("utf-8", "replace"))
