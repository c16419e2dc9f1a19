"""Response bodies of Prometheus' query API: compressed while they arrive, then decoded into samples.

All bodies in memory count against one budget. Only the labels that a row reads are decoded.
"""

import re
import sys
import threading
import weakref
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache, partial
from itertools import chain
from typing import Annotated, Any, Literal, NamedTuple, Protocol

import msgspec
import zstandard

from aggregator.errors import MalformedResponseError, QueryError, ResponseTooLargeError
from aggregator.models.sample import Point, Sample, SampleLabels, get_label_attribute
from aggregator.observability.redaction import PATTERN_REDACTOR, Redactor
from aggregator.querier.prometheus.errors import (
    JSON_DECODE_ERRORS,
    decode_messages,
    excerpt_body,
    extract_page_title,
    is_web_page,
    redact_message,
)
from aggregator.querier.source import RowSamples
from aggregator.util.runtime import clear_in_chunks

# Each body is compressed and decompressed in each refresh: level 1 saves a third more bytes and takes a third longer.
COMPRESSION_LEVEL = -3

# One chunk at a time: several would take every core from the thread that decodes.
_compression_lock = threading.Lock()


# The label that names the cluster of a series. Prometheus does not return its own external labels.
CLUSTER_LABEL = "cluster"

# A label of a cluster or node is repeated for each of its pods: one of 100 MB would use up all memory.
MAX_LABEL_CHARACTERS = 1024

# Decoding a chunk takes one or two milliseconds, in which no other thread runs.
DECODE_CHUNK_BYTES = 2**18

# How responses of Prometheus and Thanos start. A quote inside a JSON string is escaped, so no label can contain this
# text or the separator of two samples.
RESPONSE_PREFIX = b'{"status":"success","data":{"resultType":"vector","result":['

# A cluster of VictoriaMetrics inserts its partial flag.
_PREFIX_PATTERN = re.compile(
    rb'\{"status":"success",(?:"isPartial":(?:true|false),)?"data":\{"resultType":"vector","result":\['
)

_SAMPLE_SEPARATOR = b'},{"metric":'

# How much of a malformed body an error quotes.
_EXCERPT_CHARACTERS = 60

# The field of VictoriaMetrics for a response that lacks the data of a storage node, and its message here.
PARTIAL_FIELD = "isPartial"
_PARTIAL_WARNING = f"the response is partial ({PARTIAL_FIELD})"


class CompressedBody:
    """The compressed body of a response; `size_bytes` is its size when decompressed."""

    def __init__(self, data: bytes, size_bytes: int) -> None:
        self.size_bytes = size_bytes
        self.compressed_bytes = len(data)
        self._data = data

    def decompress(self) -> bytes:
        """Return the body."""
        # A compressed stream does not contain its size. A size of 0 would mean an unknown size.
        return zstandard.ZstdDecompressor().decompress(self._data, max_output_size=max(1, self.size_bytes))


class ByteBudget:
    """The compressed bytes that all bodies together may have, those that are arriving and those that are kept.

    It bounds the memory of a refresh, whatever the number of concurrent queries, rows and sources is. Thread-safe.
    """

    def __init__(self, max_bytes: int = sys.maxsize) -> None:
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self._arriving_bytes = 0
        self._bodies: weakref.WeakSet[CompressedBody] = weakref.WeakSet()

    def reserve(self, size_bytes: int) -> None:
        """Count bytes that are arriving; raise ResponseTooLargeError if there is no room for them."""
        with self._lock:
            if self._count_used_bytes() + size_bytes > self._max_bytes:
                raise ResponseTooLargeError(
                    f"all responses together are larger than {self._max_bytes} bytes compressed"
                )
            self._arriving_bytes += size_bytes

    def release(self, size_bytes: int) -> None:
        """Stop counting bytes that were arriving."""
        with self._lock:
            self._arriving_bytes -= size_bytes

    def keep(self, body: CompressedBody) -> None:
        """Count a body that has arrived as long as it exists, instead of its reserved bytes."""
        with self._lock:
            self._arriving_bytes -= body.compressed_bytes
            self._bodies.add(body)

    def _count_used_bytes(self) -> int:
        return self._arriving_bytes + sum(body.compressed_bytes for body in self._bodies)


def compress_chunks(chunks: Iterable[bytes], budget: ByteBudget) -> CompressedBody:
    """Return the body that consists of these chunks; each is compressed as soon as it arrives.

    Raises ResponseTooLargeError if the budget has no room for it.
    """
    compressor = zstandard.ZstdCompressor(level=COMPRESSION_LEVEL).compressobj()
    compressed: list[bytes] = []
    size_bytes = reserved_bytes = 0
    try:
        for chunk in chunks:
            size_bytes += len(chunk)
            with _compression_lock:
                part = compressor.compress(chunk)
            budget.reserve(len(part))
            reserved_bytes += len(part)
            compressed.append(part)
        part = compressor.flush()
        budget.reserve(len(part))
        reserved_bytes += len(part)
        body = CompressedBody(b"".join((*compressed, part)), size_bytes)
    except BaseException:
        budget.release(reserved_bytes)
        # The traceback of a stored error keeps the local variables alive.
        compressed.clear()
        raise
    budget.keep(body)
    return body


def split_response(body: bytes, chunk_bytes: int = DECODE_CHUNK_BYTES) -> Iterator[bytes]:
    """Yield JSON arrays of samples, then the response with its remaining samples.

    A response that is small, or formatted in an unknown way, is yielded whole. If the separator occurs inside a value,
    the chunks around it are invalid JSON and decoding fails; it never yields wrong samples.
    """
    view = memoryview(body)
    prefix = _PREFIX_PATTERN.match(body)
    start = prefix_end = prefix.end() if prefix else 0
    if prefix:
        while len(body) - start > chunk_bytes and (separator := body.find(_SAMPLE_SEPARATOR, start + chunk_bytes)) >= 0:
            yield b"".join((b"[", view[start : separator + 1], b"]"))
            start = separator + 2
    yield b"".join((view[:prefix_end], view[start:])) if start > prefix_end else body


def ignore_deadline() -> None:
    """Do nothing, so that decoding may take any time."""


class ResponseDecoder(Protocol):
    """Decodes the body of a response; see `create_decoder`."""

    def __call__(
        self,
        body: bytes,
        cluster: str = "",
        redactor: Redactor = PATTERN_REDACTOR,
        check_deadline: Callable[[], None] = ignore_deadline,
    ) -> RowSamples:
        """Return the samples; raise MalformedResponseError, or what `check_deadline` raises between two chunks.

        Series without a `cluster` label get `cluster`. Messages and errors are redacted.
        """


@lru_cache(maxsize=256)
def create_decoder(labels: tuple[str, ...] | None, chunk_bytes: int = DECODE_CHUNK_BYTES) -> ResponseDecoder:
    """Return a decoder that keeps just these labels of a series, or all labels for None.

    It accepts successful responses with an instant vector of plain numbers. Several products return null instead of an
    empty vector. Other result types, native histograms and invalid JSON, truncated or nested without end, are malformed
    responses.
    """

    def decode(
        body: bytes,
        cluster: str = "",
        redactor: Redactor = PATTERN_REDACTOR,
        check_deadline: Callable[[], None] = ignore_deadline,
    ) -> RowSamples:
        decoders = _create_typed_decoders(labels, cluster)
        decode_response = partial(_decode_response, decoders, redactor)
        try:
            # If a chunk is malformed, decoding the whole body finds out what is wrong, and where.
            row_samples = _decode_chunks(
                decoders, decode_response, split_response(body, chunk_bytes), check_deadline
            ) or decode_response(body, [])
        except JSON_DECODE_ERRORS as error:
            raise MalformedResponseError(
                f"{redact_message(str(error), redactor)}; {_describe_body(body, redactor)}"
            ) from error
        if cluster and labels is None:
            for sample in row_samples.samples:
                sample.labels.setdefault(CLUSTER_LABEL, cluster)
        return row_samples

    return decode


def _describe_body(body: bytes, redactor: Redactor) -> str:
    if is_web_page(body) and (title := extract_page_title(body, redactor)):
        return f"the response is a web page with the title {title!r}"
    return f"the response starts with {excerpt_body(body, redactor, _EXCERPT_CHARACTERS)!r}"


class _TypedDecoders(NamedTuple):
    """Decoders for a response and for an array of samples; the unbounded ones accept labels of any length."""

    response: "msgspec.json.Decoder[Any]"
    samples: "msgspec.json.Decoder[Any]"
    unbounded_response: "msgspec.json.Decoder[Any]"
    unbounded_samples: "msgspec.json.Decoder[Any]"


@lru_cache(maxsize=4096)
def _create_typed_decoders(labels: tuple[str, ...] | None, cluster: str) -> _TypedDecoders:
    bounded_text: Any = Annotated[str, msgspec.Meta(max_length=MAX_LABEL_CHARACTERS)]
    decoders: list[msgspec.json.Decoder[Any]] = []
    for text_type in (bounded_text, str):
        labels_type: Any = (
            dict[text_type, text_type]  # type: ignore[valid-type] # created at run time
            if labels is None
            else _create_labels_type(labels, cluster, text_type)
        )
        sample_type = _create_sample_type(labels_type)
        array_type: Any = list[sample_type]  # type: ignore[valid-type] # created at run time
        decoders += (msgspec.json.Decoder(_create_envelope_type(sample_type)), msgspec.json.Decoder(array_type))
    return _TypedDecoders(*decoders)


def _create_labels_type(labels: tuple[str, ...], cluster: str, text_type: Any) -> type[msgspec.Struct]:
    names = {get_label_attribute(label): label for label in labels}
    return msgspec.defstruct(
        "Labels",
        [(name, text_type, cluster if label == CLUSTER_LABEL else "") for name, label in names.items()],
        rename={name: label for name, label in names.items() if name != label},
        bases=(SampleLabels,),
        frozen=True,
        gc=False,
    )


def _create_sample_type(labels_type: type) -> Any:
    return msgspec.defstruct(
        "Sample",
        [("labels", labels_type), ("value", Point)],
        rename={"labels": "metric"},
        bases=(Sample,),
        frozen=True,
        gc=False,
    )


def _create_envelope_type(sample_type: Any) -> Any:
    # An empty result may have no type.
    data_type = msgspec.defstruct("Data", [("resultType", Literal["vector", ""]), ("result", list[sample_type] | None)])
    # Warnings, infos and the partial flag may have any shape: they are no reason to lose the samples.
    return msgspec.defstruct(
        "Envelope",
        [
            ("status", Literal["success"]),
            ("data", data_type),
            ("warnings", msgspec.Raw, msgspec.Raw(b"null")),
            ("infos", msgspec.Raw, msgspec.Raw(b"null")),
            (PARTIAL_FIELD, msgspec.Raw, msgspec.Raw(b"false")),
        ],
    )


def _decode_chunks(
    decoders: _TypedDecoders,
    decode_response: Callable[..., RowSamples],
    chunks: Iterator[bytes],
    check_deadline: Callable[[], None],
) -> RowSamples | None:
    """Return the samples in these chunks, None if one of them is malformed."""
    samples: list[Sample] = []
    dropped_samples = 0
    try:
        chunk = next(chunks)
        for next_chunk in chunks:
            check_deadline()
            decoded, dropped = _decode_samples(decoders, chunk)
            samples += decoded
            dropped_samples += dropped
            chunk = next_chunk
        check_deadline()
        return decode_response(chunk, samples, dropped_samples)
    except JSON_DECODE_ERRORS:
        return None
    except QueryError:
        clear_in_chunks(samples)
        raise


def _decode_samples(decoders: _TypedDecoders, chunk: bytes) -> tuple[list[Sample], int]:
    """Return the samples of an array, and how many were dropped because of a label that is too long."""
    try:
        return decoders.samples.decode(chunk), 0
    except msgspec.ValidationError:
        return _drop_long_labels(decoders.unbounded_samples.decode(chunk))


def _decode_response(
    decoders: _TypedDecoders, redactor: Redactor, body: bytes, previous_samples: list[Sample], dropped_before: int = 0
) -> RowSamples:
    """Return the samples in a body, after those of previous chunks."""
    try:
        envelope = decoders.response.decode(body)
        samples, dropped = _get_result(envelope.data), 0
    except msgspec.ValidationError:
        envelope = decoders.unbounded_response.decode(body)
        samples, dropped = _drop_long_labels(_get_result(envelope.data))
    previous_samples += samples
    warnings = decode_messages(envelope.warnings, redactor)
    if envelope.isPartial == msgspec.Raw(b"true"):
        warnings += (_PARTIAL_WARNING,)
    return RowSamples(previous_samples, warnings, decode_messages(envelope.infos, redactor), dropped_before + dropped)


def _get_result(data: Any) -> list[Sample]:
    """Return the samples of a response, none for null."""
    samples: list[Sample] = data.result or []
    if samples and not data.resultType:
        raise msgspec.ValidationError("a result without a type - at `$.data.resultType`")
    return samples


def _drop_long_labels(samples: list[Sample]) -> tuple[list[Sample], int]:
    kept = [
        sample
        for sample in samples
        if max(map(len, _iterate_label_texts(sample.labels)), default=0) <= MAX_LABEL_CHARACTERS
    ]
    return kept, len(samples) - len(kept)


def _iterate_label_texts(labels: Any) -> Iterable[str]:
    return chain.from_iterable(labels.items()) if isinstance(labels, dict) else msgspec.structs.astuple(labels)
