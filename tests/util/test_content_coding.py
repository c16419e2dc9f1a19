"""Negotiation of content codings by Accept-Encoding."""

import gzip

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from aggregator.util.content_coding import CONTENT_CODINGS, IDENTITY, negotiate_content_coding


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
def test_the_weights_of_the_client_decide(header: str, coding: str) -> None:
    """The client gets the coding with the highest weight, zstd among equal ones, and none that it does not accept."""
    assert negotiate_content_coding(header.encode()) == coding


@given(st.binary(max_size=60))
def test_any_header_gives_a_coding(header: bytes) -> None:
    """Any header gives a supported coding or identity."""
    assert negotiate_content_coding(header) in {IDENTITY, *CONTENT_CODINGS}


@given(st.binary(max_size=2000))
def test_codings_are_lossless(body: bytes) -> None:
    """Decompression restores the bytes."""
    assert gzip.decompress(CONTENT_CODINGS["gzip"](body)) == body
    assert zstandard.decompress(CONTENT_CODINGS["zstd"](body)) == body
