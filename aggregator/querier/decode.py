"""From the bytes of an answer to samples, with just the labels that are wanted.

The format: https://prometheus.io/docs/prometheus/latest/querying/api/#instant-queries
"""

import contextlib
import keyword
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar, Literal, NamedTuple, Protocol

import msgspec

from aggregator.errors import MalformedError
from aggregator.querier.pieces import PIECE_BYTES, pieces
from aggregator.querier.said import NOT_JSON, beginning, short, texts
from aggregator.secrets import NONE_KNOWN, Secrets

# The label that tells a series' cluster; a Prometheus does not show its own external labels.
CLUSTER_LABEL = "cluster"
# Of what is no answer so much is quoted.
_BEGINNING_CHARACTERS = 60


# The attribute of any label set that stands for labels which it cannot have.
LACKING = "lacking"


class Labels(msgspec.Struct, frozen=True, gc=False):
    """The labels of a series that were asked for, each an attribute."""

    lacking: ClassVar[str] = ""


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

    A warning means that data may be missing; a remark (`infos`, Prometheus 3) that the query may be odd. Both are
    few and short, whatever the upstream sent.
    """

    samples: list[Sample]
    warnings: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()


class Decoder(Protocol):
    """What turns an answer's bytes into samples; series without a `cluster` label are taken to have `cluster`.

    What else the upstream says, be it in an error, is told without `secrets`.
    """

    def __call__(self, body: bytes, cluster: str = "", secrets: Secrets = NONE_KNOWN) -> Answer:
        """Return the answer or raise MalformedError."""


def attribute(label: str) -> str:
    """Return the attribute of `Sample.metric` that holds `label`."""
    return f"{label}_" if keyword.iskeyword(label) else label


@lru_cache(maxsize=256)
def decoder(labels: tuple[str, ...] | None, piece_bytes: int = PIECE_BYTES) -> Decoder:
    """Return a function that turns an answer's bytes into samples with just `labels`; None keeps all of them.

    The function raises MalformedError for whatever is not a successful answer with an instant vector
    of plain numbers: other result types, native histograms, JSON that is cut, nested without end or no JSON.
    """

    def decode(body: bytes, cluster: str = "", secrets: Secrets = NONE_KNOWN) -> Answer:
        typed = _typed(labels, cluster)
        try:
            # Only the whole tells what is wrong with it, and where.
            answer = _in_pieces(typed, body, piece_bytes, secrets) or _answer(typed.whole.decode(body), [], secrets)
        except NOT_JSON as error:
            begins = repr(beginning(body, secrets, _BEGINNING_CHARACTERS))
            raise MalformedError(f"{short(str(error), secrets)}; the answer begins with {begins}") from error
        if cluster and labels is None:
            for sample in answer.samples:
                sample.metric.setdefault(CLUSTER_LABEL, cluster)
        return answer

    return decode


class _Typed(NamedTuple):
    """What decodes a whole answer, and what decodes an array of its samples."""

    whole: "msgspec.json.Decoder[Any]"
    array: "msgspec.json.Decoder[Any]"


@lru_cache(maxsize=4096)
def _typed(labels: tuple[str, ...] | None, cluster: str) -> _Typed:
    sample = _sample(dict[str, str] if labels is None else _label_struct(labels, cluster))
    array: Any = list[sample]  # type: ignore[valid-type] # made at run time
    return _Typed(msgspec.json.Decoder(_envelope(sample)), msgspec.json.Decoder(array))


def _label_struct(labels: tuple[str, ...], cluster: str) -> type[msgspec.Struct]:
    names = {attribute(label): label for label in labels}
    return msgspec.defstruct(
        "Labels",
        [(name, str, cluster if label == CLUSTER_LABEL else "") for name, label in names.items()],
        rename={name: label for name, label in names.items() if name != label},
        bases=(Labels,),
        frozen=True,
        gc=False,
    )


def _sample(metric: type) -> Any:
    return msgspec.defstruct("Sample", [("metric", metric), ("value", Point)], bases=(Sample,), frozen=True, gc=False)


def _envelope(sample: Any) -> Any:
    data = msgspec.defstruct("Data", [("resultType", Literal["vector"]), ("result", list[sample])])
    # What is said beside the samples comes in many shapes, none of which is a reason to do without the samples.
    return msgspec.defstruct(
        "Envelope",
        [
            ("status", Literal["success"]),
            ("data", data),
            ("warnings", msgspec.Raw, msgspec.Raw(b"null")),
            ("infos", msgspec.Raw, msgspec.Raw(b"null")),
        ],
    )


def _in_pieces(typed: _Typed, body: bytes, piece_bytes: int, secrets: Secrets) -> Answer | None:
    """Return what is in the pieces of an answer, None where one of them is not as it should be."""
    samples: list[Sample] = []
    with contextlib.suppress(*NOT_JSON):
        *first, last = pieces(body, piece_bytes)
        for piece in first:
            samples += typed.array.decode(piece)
        return _answer(typed.whole.decode(last), samples, secrets)
    return None


def _answer(envelope: Any, samples: list[Sample], secrets: Secrets) -> Answer:
    """Return the answer of an envelope, its samples behind those that there are already."""
    samples += envelope.data.result
    return Answer(samples, texts(envelope.warnings, secrets), texts(envelope.infos, secrets))
