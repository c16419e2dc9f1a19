"""Which content coding a client gets, by its Accept-Encoding."""

import gzip

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from aggregator.coding import CODINGS, IDENTITY, chosen


@pytest.mark.parametrize(
    ("header", "coding"),
    [
        ("gzip", "gzip"),
        ("GZIP", "gzip"),
        ("gzip, deflate, br", "gzip"),
        ("gzip, deflate, br, zstd", "zstd"),
        ("zstd;q=0.5, gzip;q=0.8", "gzip"),
        ("zstd;q=0.5,gzip;q=0.5", "zstd"),
        ("gzip ; q=1.0", "gzip"),
        ("gzip;q=0", IDENTITY),
        ("gzip;q=0.5, identity", IDENTITY),
        ("gzip;q=2", IDENTITY),
        ("gzip;q=x", IDENTITY),
        ("gzip;q=nan", IDENTITY),
        ("br", IDENTITY),
        ("*", IDENTITY),
        ("identity;q=0", IDENTITY),
        ("", IDENTITY),
        ("xgzip, gzipx", IDENTITY),
    ],
)
def test_the_client_says_what_it_likes(header: str, coding: str) -> None:
    """The coding is the one that the client likes best; of equal ones zstd; none that it did not name."""
    assert chosen(header.encode()) == coding


@given(st.binary(max_size=60))
def test_any_header_has_an_answer(header: bytes) -> None:
    """Whatever a client sends, it gets one of the codings or none."""
    assert chosen(header) in {IDENTITY, *CODINGS}


@given(st.binary(max_size=2000))
def test_what_is_packed_can_be_unpacked(body: bytes) -> None:
    """Each coding gives back the bytes that were packed."""
    assert gzip.decompress(CODINGS["gzip"](body)) == body
    assert zstandard.decompress(CODINGS["zstd"](body)) == body
