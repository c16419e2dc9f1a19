"""From the bytes of an answer to samples, with just the labels that are wanted.

The format: https://prometheus.io/docs/prometheus/latest/querying/api/#instant-queries
"""

import keyword
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache, partial
from itertools import chain
from typing import Annotated, Any, ClassVar, Literal, NamedTuple, Protocol

import msgspec

from aggregator.errors import MalformedError, QueryError
from aggregator.portions import let_go
from aggregator.querier.pieces import PIECE_BYTES, pieces
from aggregator.querier.said import NOT_JSON, beginning, short, texts
from aggregator.secrets import NONE_KNOWN, Secrets

# The label that tells a series' cluster; a Prometheus does not show its own external labels.
CLUSTER_LABEL = "cluster"
# Of what is no answer so much is quoted.
_BEGINNING_CHARACTERS = 60


# The attribute of any label set that stands for labels which it cannot have.
LACKING = "lacking"

# One label of a cluster or node is told again with each pod of it: one of 100 MB would take all memory there is.
LABEL_CHARACTERS = 1024


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
    few and short, whatever the upstream sent. `left_out` is how many samples had a label that is too long.
    """

    samples: list[Sample]
    warnings: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
    left_out: int = 0


def go_on() -> None:
    """Let a decoder finish, however long it takes."""


class Decoder(Protocol):
    """What turns an answer's bytes into samples; series without a `cluster` label are taken to have `cluster`.

    `check` is called before each piece of the work, and ends it by raising. What else the upstream says, be it in an
    error, is told without `secrets`.
    """

    def __call__(
        self, body: bytes, cluster: str = "", secrets: Secrets = NONE_KNOWN, check: Callable[[], None] = go_on
    ) -> Answer:
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

    def decode(
        body: bytes, cluster: str = "", secrets: Secrets = NONE_KNOWN, check: Callable[[], None] = go_on
    ) -> Answer:
        typed = _typed(labels, cluster)
        whole = partial(_whole, typed, secrets)
        try:
            # Only the whole tells what is wrong with it, and where.
            answer = _in_pieces(typed, whole, pieces(body, piece_bytes), check) or whole(body, [])
        except NOT_JSON as error:
            begins = repr(beginning(body, secrets, _BEGINNING_CHARACTERS))
            raise MalformedError(f"{short(str(error), secrets)}; the answer begins with {begins}") from error
        if cluster and labels is None:
            for sample in answer.samples:
                sample.metric.setdefault(CLUSTER_LABEL, cluster)
        return answer

    return decode


class _Typed(NamedTuple):
    """What decodes a whole answer, and what decodes an array of its samples; the last two with labels of any length."""

    whole: "msgspec.json.Decoder[Any]"
    array: "msgspec.json.Decoder[Any]"
    any_whole: "msgspec.json.Decoder[Any]"
    any_array: "msgspec.json.Decoder[Any]"


@lru_cache(maxsize=4096)
def _typed(labels: tuple[str, ...] | None, cluster: str) -> _Typed:
    bounded: Any = Annotated[str, msgspec.Meta(max_length=LABEL_CHARACTERS)]
    made: list[msgspec.json.Decoder[Any]] = []
    for text in (bounded, str):
        sample = _sample(dict[text, text] if labels is None else _label_struct(labels, cluster, text))  # type: ignore[valid-type] # made at run time
        array: Any = list[sample]  # type: ignore[valid-type] # made at run time
        made += (msgspec.json.Decoder(_envelope(sample)), msgspec.json.Decoder(array))
    return _Typed(*made)


def _label_struct(labels: tuple[str, ...], cluster: str, text: Any) -> type[msgspec.Struct]:
    names = {attribute(label): label for label in labels}
    return msgspec.defstruct(
        "Labels",
        [(name, text, cluster if label == CLUSTER_LABEL else "") for name, label in names.items()],
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


def _in_pieces(
    typed: _Typed, whole: Callable[..., Answer], parts: Iterator[bytes], check: Callable[[], None]
) -> Answer | None:
    """Return what is in the pieces of an answer, None where one of them is not as it should be."""
    samples: list[Sample] = []
    left_out = 0
    try:
        last = next(parts)
        for following in parts:
            check()
            found, too_long = _samples(typed, last)
            samples += found
            left_out += too_long
            last = following
        check()
        return whole(last, samples, left_out)
    except NOT_JSON:
        return None
    except QueryError:
        let_go(samples)
        raise


def _samples(typed: _Typed, piece: bytes) -> tuple[list[Sample], int]:
    """Return the samples of an array, and how many are left out because a label is too long."""
    try:
        return typed.array.decode(piece), 0
    except msgspec.ValidationError:
        return _of_bearable_length(typed.any_array.decode(piece))


def _whole(typed: _Typed, secrets: Secrets, body: bytes, before: list[Sample], left_out: int = 0) -> Answer:
    """Return an answer, its samples behind those that there are already."""
    try:
        envelope = typed.whole.decode(body)
        samples, too_long = envelope.data.result, 0
    except msgspec.ValidationError:
        envelope = typed.any_whole.decode(body)
        samples, too_long = _of_bearable_length(envelope.data.result)
    before += samples
    said = (texts(envelope.warnings, secrets), texts(envelope.infos, secrets))
    return Answer(before, *said, left_out + too_long)


def _of_bearable_length(samples: list[Sample]) -> tuple[list[Sample], int]:
    kept = [sample for sample in samples if max(map(len, _texts(sample.metric)), default=0) <= LABEL_CHARACTERS]
    return kept, len(samples) - len(kept)


def _texts(metric: Any) -> Iterable[str]:
    return chain.from_iterable(metric.items()) if isinstance(metric, dict) else msgspec.structs.astuple(metric)
