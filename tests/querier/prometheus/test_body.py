"""How much memory response bodies use: measured in bytes."""

import gzip
import random
import tracemalloc
from bisect import bisect
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.errors import QueryError, ResponseTooLargeError, UpstreamStatusError
from aggregator.querier.prometheus.client import PrometheusClient, QueryLimits, UpstreamAddress
from aggregator.querier.prometheus.decode import ByteBudget, CompressedBody, compress_chunks
from tests.support.scripted_server import build_http_response, build_sending_script, run_scripted_server

CONCURRENCY = 8
MEBIBYTE = 2**20
LARGE_BYTES = 32 * MEBIBYTE
RANDOM_BYTES = random.Random(1).randbytes(2 * MEBIBYTE)  # noqa: S311 - test data


def count_free_bytes(budget: ByteBudget, max_bytes: int) -> int:
    """Return how many bytes a budget has room for, by bisection."""

    def has_room(size_bytes: int) -> bool:
        try:
            budget.reserve(size_bytes)
        except ResponseTooLargeError:
            return False
        budget.release(size_bytes)
        return True

    return bisect(range(1, max_bytes + 1), False, key=lambda size_bytes: not has_room(size_bytes))


@given(chunks=st.lists(st.binary()))
def test_compression_loses_nothing(chunks: list[bytes]) -> None:
    """A body that was compressed chunk by chunk is the chunks."""
    body = compress_chunks(chunks, ByteBudget())
    assert body.decompress() == b"".join(chunks)
    assert body.size_bytes == sum(map(len, chunks))


def test_bodies_count_as_long_as_they_exist() -> None:
    """A budget is used by the compressed bytes of the bodies that are kept, and by no others."""
    budget = ByteBudget(3 * MEBIBYTE)
    body = compress_chunks([RANDOM_BYTES], budget)
    free_bytes = 3 * MEBIBYTE - body.compressed_bytes
    assert count_free_bytes(budget, 3 * MEBIBYTE) == free_bytes <= MEBIBYTE
    with pytest.raises(ResponseTooLargeError, match="all responses together are larger than 3145728 bytes compressed"):
        compress_chunks([RANDOM_BYTES], budget)
    assert count_free_bytes(budget, 3 * MEBIBYTE) == free_bytes
    del body
    assert count_free_bytes(budget, 3 * MEBIBYTE) == 3 * MEBIBYTE
    assert compress_chunks([RANDOM_BYTES], budget).decompress() == RANDOM_BYTES


def test_what_fails_to_arrive_does_not_count() -> None:
    """The reserved bytes of a response that breaks off are free again."""
    budget = ByteBudget(3 * MEBIBYTE)

    def break_off() -> Iterator[bytes]:
        yield RANDOM_BYTES
        raise UpstreamStatusError(502, "gone")

    with pytest.raises(UpstreamStatusError):
        compress_chunks(break_off(), budget)
    assert count_free_bytes(budget, 3 * MEBIBYTE) == 3 * MEBIBYTE


def query_concurrently(url: str, limits: QueryLimits) -> list[CompressedBody | QueryError]:
    """Return what becomes of several queries at once."""
    client = PrometheusClient(UpstreamAddress(url), limits)

    def query(_number: int) -> CompressedBody | QueryError:
        try:
            return client.query("up", 1.0)
        except QueryError as error:
            return error.with_traceback(None)

    try:
        with ThreadPoolExecutor(CONCURRENCY) as threads:
            return list(threads.map(query, range(CONCURRENCY)))
    finally:
        client.close()


def measure_peak_bytes(work: Callable[[], object]) -> int:
    """Return how many bytes Python has allocated at most while the function ran."""
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_large_responses_at_once_need_little_memory() -> None:
    """Eight responses of 32 MiB that compress well are never in memory as they are: a chunk of each is."""
    bomb = gzip.compress(b" " * LARGE_BYTES)
    script = build_sending_script(build_http_response(bomb, "200 OK", "Content-Encoding: gzip"))
    found: list[CompressedBody | QueryError] = []
    with run_scripted_server(script) as upstream:
        limits = QueryLimits(60, LARGE_BYTES, CONCURRENCY)
        peak_bytes = measure_peak_bytes(lambda: found.extend(query_concurrently(upstream.url, limits)))
    assert [body.size_bytes for body in found if isinstance(body, CompressedBody)] == [LARGE_BYTES] * CONCURRENCY
    assert peak_bytes < LARGE_BYTES / 2


def test_responses_that_do_not_compress_share_one_budget() -> None:
    """Of eight responses of 2 MiB at once, a budget of 5 MiB takes two; the others are too large, and free memory."""
    limits = QueryLimits(60, LARGE_BYTES, CONCURRENCY, ByteBudget(5 * MEBIBYTE))
    with run_scripted_server(build_sending_script(build_http_response(RANDOM_BYTES))) as upstream:
        found = query_concurrently(upstream.url, limits)
    bodies = [body for body in found if isinstance(body, CompressedBody)]
    assert len(bodies) <= 2
    assert {type(error) for error in found if not isinstance(error, CompressedBody)} == {ResponseTooLargeError}
    used_bytes = sum(body.compressed_bytes for body in bodies)
    assert count_free_bytes(limits.budget, 5 * MEBIBYTE) == 5 * MEBIBYTE - used_bytes


def test_the_body_of_an_error_is_read_in_part() -> None:
    """Of an error text of 32 MiB some KiB are read."""
    text = b'{"error":"' + b"x" * LARGE_BYTES + b'"}'
    script = build_sending_script(build_http_response(text, "500 Internal Server Error"))
    with run_scripted_server(script) as upstream:
        client = PrometheusClient(UpstreamAddress(upstream.url), QueryLimits(60, LARGE_BYTES, 1))
        errors: list[str] = []

        def query() -> None:
            with pytest.raises(UpstreamStatusError) as caught:
                client.query("up", 1.0)
            errors.append(str(caught.value))

        peak_bytes = measure_peak_bytes(query)
        client.close()
    assert errors == ["HTTP 500: Internal Server Error"]
    assert peak_bytes < 4 * MEBIBYTE
