"""Parsing of numbers, timestamps and booleans in filters."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.lookup.filter import parse_boolean, parse_quantity, parse_relative_time_ms, parse_timestamp_ms


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
    """Numbers are Kubernetes quantities; integers are exact."""
    assert parse_quantity(text) == value


@pytest.mark.parametrize(
    "text", ["", "x", "4Gx", "4gi", "Ki", "--1", "1e", "0x1", "1_000", "٣", "nan", "inf", "1 ", "1e9999"]
)
def test_invalid_numbers(text: str) -> None:
    """Text that is not a quantity is rejected."""
    assert parse_quantity(text) is None


@given(st.integers(-(2**63), 2**63) | st.floats(allow_nan=False, allow_infinity=False))
def test_every_json_number_is_parsed(value: float) -> None:
    """The text of a JSON number is parsed to the same number."""
    parsed = parse_quantity(repr(value))
    assert parsed is not None
    assert Fraction(parsed) == Fraction(value)


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
def test_timestamps(text: str, milliseconds: float) -> None:
    """RFC 3339 timestamps of any time zone are parsed."""
    assert parse_timestamp_ms(text) == milliseconds


@pytest.mark.parametrize(
    "text",
    ["", "2026-11-20", "2026-11-20T21:57:08", "20261120T215708Z", "2026-13-01T00:00:00Z", "2026-01-01T00:00:00+99:99"],
)
def test_invalid_timestamps(text: str) -> None:
    """A timestamp needs a valid date, a time and a time zone."""
    assert parse_timestamp_ms(text) is None


@pytest.mark.parametrize(
    ("text", "milliseconds"),
    [
        ("-0s", 0),
        ("-1500ms", -1500),
        ("-5m", -300_000),
        ("-1h30m", -5_400_000),
        ("-1y2w3d4h5m6s7ms", -(((((365 + 14 + 3) * 24 + 4) * 60 + 5) * 60 + 6) * 1000 + 7)),
    ],
)
def test_relative_times(text: str, milliseconds: int) -> None:
    """Relative times are durations of PromQL with a minus sign."""
    assert parse_relative_time_ms(text) == milliseconds


@pytest.mark.parametrize("text", ["", "-", "5m", "+5m", "-5", "-5M", "-1m1h", "-1.5h", "- 5m", "-5m ", "-٣m", "--5m"])
def test_invalid_relative_times(text: str) -> None:
    """Other units, another order, fractions and other signs are rejected."""
    assert parse_relative_time_ms(text) is None


@pytest.mark.parametrize(("text", "value"), [("true", True), ("false", False), ("True", None), ("1", None), ("", None)])
def test_booleans(text: str, value: bool | None) -> None:
    """Only lower-case `true` and `false` are booleans."""
    assert parse_boolean(text) is value


@given(st.text(max_size=20) | st.from_regex(r"[0-9.eE+-]{1,12}[a-zA-Z]{0,2}|[0-9TZ:.+-]{10,30}", fullmatch=True))
def test_any_text_is_parsed_or_rejected(text: str) -> None:
    """No text makes a parser raise."""
    assert isinstance(parse_quantity(text), int | float | None)
    assert isinstance(parse_timestamp_ms(text), float | None)
    assert isinstance(parse_relative_time_ms(text), int | None)
    assert isinstance(parse_boolean(text), bool | None)
