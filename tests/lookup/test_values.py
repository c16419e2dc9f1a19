"""Numbers, times and truth as they are written in filters."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.lookup.values import moment, number, truth


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0", 0),
        ("5", 5),
        ("-1.5", -1.5),
        ("+2", 2),
        (".5", 0.5),
        ("5.", 5),
        ("4Ki", 4096),
        ("4Gi", 4 * 2**30),
        ("1.5Gi", 3 * 2**29),
        ("4k", 4000),
        ("4M", 4_000_000),
        ("1Ei", 2**60),
        ("1E", 10**18),
        ("1E3", 1000),
        ("1e-3", 0.001),
        ("100m", 0.1),
        ("250u", 0.00025),
        ("3n", 3e-9),
        ("9007199254740993", 9_007_199_254_740_993),
        ("1e999", 10**999),
        ("-1e-999", 0),
    ],
)
def test_numbers(text: str, value: float) -> None:
    """Numbers are read as Kubernetes writes quantities, exactly where they are whole."""
    assert number(text) == value


@pytest.mark.parametrize(
    "text", ["", "x", "4Gx", "4gi", "Ki", "--1", "1e", "0x1", "1_000", "٣", "nan", "inf", "1 ", "1e9999"]
)
def test_no_numbers(text: str) -> None:
    """What is no quantity is not understood."""
    assert number(text) is None


@given(st.integers(-(2**63), 2**63) | st.floats(allow_nan=False, allow_infinity=False))
def test_every_number_is_read_back(value: float) -> None:
    """Each number that JSON can hold is read as what it is."""
    read = number(repr(value))
    assert read is not None
    assert Fraction(read) == Fraction(value)


@pytest.mark.parametrize(
    ("text", "milliseconds"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01t00:00:01.5z", 1500),
        ("2026-11-20T21:57:08.307+01:00", 1_795_208_228_307),
        ("1969-12-31T23:59:59Z", -1000),
        ("1970-01-01T00:00:00.0005Z", 0.5),
        ("1970-01-01T00:00:00.123456789Z", 123.456),
    ],
)
def test_moments(text: str, milliseconds: float) -> None:
    """Times are read as RFC 3339 writes them, in whatever zone."""
    assert moment(text) == milliseconds


@pytest.mark.parametrize(
    "text",
    ["", "2026-11-20", "2026-11-20T21:57:08", "20261120T215708Z", "2026-13-01T00:00:00Z", "2026-01-01T00:00:00+99:99"],
)
def test_no_moments(text: str) -> None:
    """What is no time of the calendar with its zone is not understood."""
    assert moment(text) is None


@pytest.mark.parametrize(("text", "value"), [("true", True), ("false", False), ("True", None), ("1", None), ("", None)])
def test_truth(text: str, value: bool | None) -> None:
    """Truth is written in one way."""
    assert truth(text) is value


@given(st.text(max_size=20) | st.from_regex(r"[0-9.eE+-]{1,12}[a-zA-Z]{0,2}|[0-9TZ:.+-]{10,30}", fullmatch=True))
def test_any_text_is_read_or_not_understood(text: str) -> None:
    """No text breaks what reads it."""
    assert isinstance(number(text), int | float | None)
    assert isinstance(moment(text), float | None)
    assert isinstance(truth(text), bool | None)
