"""From texts to values."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.models import values

FUNCTIONS = [
    values.real,
    values.whole,
    values.amount,
    values.count,
    values.flag,
    values.text,
    values.word,
    values.trimmed,
    values.architecture,
    values.degrees,
]
REASONS = {values.NOT_A_NUMBER, values.NOT_FINITE, values.OUT_OF_RANGE}


@given(text=st.text() | st.floats().map(repr) | st.integers().map(str))
@pytest.mark.parametrize("convert", FUNCTIONS)
def test_any_text_is_a_value_or_refused_for_a_constant_reason(convert: values.Converter, text: str) -> None:
    """No text raises anything but ValueError, whose text is one of three that can be counted by."""
    try:
        convert(text)
    except ValueError as refused:
        assert str(refused) in REASONS  # noqa: PT017 - most texts are not refused


@given(number=st.floats(allow_nan=False, allow_infinity=False))
def test_finite_numbers_stay_as_they_are(number: float) -> None:
    """A number as Prometheus writes it is read without loss."""
    assert values.real(repr(number)) == number


@given(number=st.floats(-(2.0**63), 2.0**63, exclude_max=True))
def test_whole_numbers_are_cut_towards_zero(number: float) -> None:
    """The fraction is dropped, as Go does it."""
    assert values.whole(repr(number)) == math.trunc(number)


@given(number=st.floats(max_value=-(2.0**63), exclude_max=True, allow_infinity=False) | st.floats(2.0**63, 1e308))
@pytest.mark.parametrize("convert", [values.whole, values.amount, values.count])
def test_what_64_bits_do_not_hold_is_out_of_range(convert: values.Converter, number: float) -> None:
    """1e30 is no count of bytes."""
    with pytest.raises(ValueError, match=f"^{values.OUT_OF_RANGE}$"):
        convert(repr(number))


@pytest.mark.parametrize(
    "convert", [values.real, values.whole, values.amount, values.count, values.flag, values.degrees]
)
@pytest.mark.parametrize("text", ["NaN", "+Inf", "-Inf", "Inf", "nan", "infinity"])
def test_what_is_not_finite_is_no_value(convert: values.Converter, text: str) -> None:
    """NaN and the infinities are refused, as Prometheus and Go write them."""
    with pytest.raises(ValueError, match=f"^{values.NOT_FINITE}$"):
        convert(text)


@pytest.mark.parametrize("convert", [values.amount, values.count])
def test_less_than_nothing_is_out_of_range(convert: values.Converter) -> None:
    """There are no fewer than no bytes or cores."""
    assert convert("0") == 0
    with pytest.raises(ValueError, match=f"^{values.OUT_OF_RANGE}$"):
        convert("-1")


def test_a_count_keeps_its_fraction() -> None:
    """3.9 cores are 3.9 cores."""
    assert values.count("3.9") == 3.9


@pytest.mark.parametrize(
    ("text", "expected"), [("1", True), ("1.9", True), ("0", False), ("0.9", False), ("2", False), ("-1", False)]
)
def test_a_flag_is_up_at_one_only(text: str, expected: bool) -> None:
    """Only 1 says yes, of a fraction counts the whole part."""
    assert values.flag(text) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [("amd64", "x86_64"), ("arm64", "aarch64"), ("x86_64", "x86_64"), ("riscv64", "riscv64"), ("", None)],
)
def test_architectures_have_the_names_of_uname(text: str, expected: str | None) -> None:
    """Go's names for architectures become those of `uname -m`; others stay."""
    assert values.architecture(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"), [("48.2", 48.2), ("-122", -122.0), ("181", 181.0), ("0", None), ("0.0", None), ("", None)]
)
def test_zero_degrees_are_no_position(text: str, expected: float | None) -> None:
    """0 is what a host without a position says; out of the globe's range is left to the reader."""
    assert values.degrees(text) == expected


@pytest.mark.parametrize("text", ["north", " 48", "4_8", "٤٨"])
def test_a_position_is_a_number(text: str) -> None:
    """What Go does not take for a number is none."""
    with pytest.raises(ValueError, match=f"^{values.NOT_A_NUMBER}$"):
        values.degrees(text)


def test_machine_ids_lose_the_newline() -> None:
    """A machine id that was read from a file with its newline is the same machine."""
    assert values.trimmed("abc\n") == "abc"
    assert values.trimmed("\n") is None


def test_an_empty_word_is_unknown_and_an_empty_text_is_not() -> None:
    """Where empty has a meaning, it is kept."""
    assert values.word("") is None
    assert values.text("") == ""
