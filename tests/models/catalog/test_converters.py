"""Converters from text to values."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.models.catalog import converters

CONVERTERS = [
    converters.parse_float,
    converters.parse_int,
    converters.parse_unsigned_int,
    converters.parse_unsigned_float,
    converters.parse_cores_limit,
    converters.parse_bytes_limit,
    converters.parse_bool,
    converters.parse_text,
    converters.parse_optional_text,
    converters.parse_stripped_text,
    converters.parse_architecture,
    converters.parse_latitude,
    converters.parse_longitude,
    converters.parse_reported_degrees,
]
REASONS = {converters.NOT_A_NUMBER, converters.NOT_FINITE, converters.OUT_OF_RANGE}


@given(text=st.text() | st.floats().map(repr) | st.integers().map(str))
@pytest.mark.parametrize("convert", CONVERTERS)
def test_invalid_text_has_one_of_three_reasons(convert: converters.TextConverter, text: str) -> None:
    """Every text is converted or raises ValueError with one of three constant messages."""
    try:
        convert(text)
    except ValueError as error:
        assert str(error) in REASONS  # noqa: PT017 - valid texts raise nothing


@given(number=st.floats(allow_nan=False, allow_infinity=False))
def test_finite_numbers_are_exact(number: float) -> None:
    """A number in the notation of Prometheus is parsed without loss."""
    assert converters.parse_float(repr(number)) == number


@given(number=st.floats(-(2.0**63), 2.0**63, exclude_max=True))
def test_integers_are_truncated_towards_zero(number: float) -> None:
    """The fraction is dropped, as in Go."""
    assert converters.parse_int(repr(number)) == math.trunc(number)


@given(number=st.floats(max_value=-(2.0**63), exclude_max=True, allow_infinity=False) | st.floats(2.0**63, 1e308))
@pytest.mark.parametrize(
    "convert",
    [
        converters.parse_int,
        converters.parse_unsigned_int,
        converters.parse_unsigned_float,
        converters.parse_bytes_limit,
    ],
)
def test_numbers_beyond_64_bits_are_out_of_range(convert: converters.TextConverter, number: float) -> None:
    """A number that does not fit into 64 bits, such as 1e30 bytes, is out of range."""
    with pytest.raises(ValueError, match=f"^{converters.OUT_OF_RANGE}$"):
        convert(repr(number))


@pytest.mark.parametrize(
    "convert",
    [
        converters.parse_float,
        converters.parse_int,
        converters.parse_unsigned_int,
        converters.parse_unsigned_float,
        converters.parse_bool,
        converters.parse_latitude,
        converters.parse_longitude,
    ],
)
@pytest.mark.parametrize("text", ["NaN", "+Inf", "-Inf", "Inf", "nan", "infinity"])
def test_non_finite_numbers_are_invalid(convert: converters.TextConverter, text: str) -> None:
    """NaN and infinities, in the notations of Prometheus and Go, are invalid."""
    with pytest.raises(ValueError, match=f"^{converters.NOT_FINITE}$"):
        convert(text)


@pytest.mark.parametrize("convert", [converters.parse_unsigned_int, converters.parse_unsigned_float])
def test_negative_amounts_are_out_of_range(convert: converters.TextConverter) -> None:
    """A negative number of bytes or cores is out of range; 0 is valid."""
    assert convert("0") == 0
    with pytest.raises(ValueError, match=f"^{converters.OUT_OF_RANGE}$"):
        convert("-1")


def test_amounts_keep_their_fraction() -> None:
    """3.9 cores stay 3.9 cores."""
    assert converters.parse_unsigned_float("3.9") == 3.9


@pytest.mark.parametrize(
    ("text", "expected"), [("1", True), ("1.9", True), ("0", False), ("0.9", False), ("2", False), ("-1", False)]
)
def test_only_one_is_true(text: str, expected: bool) -> None:
    """Only a value whose integer part is 1 is true."""
    assert converters.parse_bool(text) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [("amd64", "x86_64"), ("arm64", "aarch64"), ("x86_64", "x86_64"), ("riscv64", "riscv64"), ("", None)],
)
def test_architectures_have_the_names_of_uname(text: str, expected: str | None) -> None:
    """Names of architectures in Go become those of `uname -m`; other names stay."""
    assert converters.parse_architecture(text) == expected


@pytest.mark.parametrize("convert", [converters.parse_latitude, converters.parse_longitude])
@pytest.mark.parametrize(
    ("text", "expected"), [("48.2", 48.2), ("-90", -90.0), ("90", 90.0), ("0", None), ("0.0", None), ("", None)]
)
def test_zero_degrees_are_unknown(convert: converters.TextConverter, text: str, expected: float | None) -> None:
    """0 means that the position is unknown."""
    assert convert(text) == expected


@pytest.mark.parametrize(
    ("convert", "text"),
    [
        (converters.parse_latitude, "90.000001"),
        (converters.parse_latitude, "-91"),
        (converters.parse_longitude, "180.5"),
        (converters.parse_longitude, "-181"),
    ],
)
def test_degrees_have_a_range(convert: converters.TextConverter, text: str) -> None:
    """A latitude is within ±90 degrees, a longitude within ±180."""
    with pytest.raises(ValueError, match=f"^{converters.OUT_OF_RANGE}$"):
        convert(text)


@pytest.mark.parametrize("convert", [converters.parse_latitude, converters.parse_longitude])
@pytest.mark.parametrize("text", ["north", " 48", "4_8", "٤٨"])
def test_degrees_must_be_numbers(convert: converters.TextConverter, text: str) -> None:
    """Text that Go does not parse as a number is invalid."""
    with pytest.raises(ValueError, match=f"^{converters.NOT_A_NUMBER}$"):
        convert(text)


@pytest.mark.parametrize(
    ("text", "expected"), [("181", 181.0), ("-0.5", -0.5), ("0", None), ("", None), ("north", None), ("NaN", None)]
)
def test_reported_degrees_may_be_out_of_range(text: str, expected: float | None) -> None:
    """Any finite number counts as reported; other text is unknown."""
    assert converters.parse_reported_degrees(text) == expected


def test_machine_ids_are_stripped() -> None:
    """A machine ID with a trailing newline equals the ID without it."""
    assert converters.parse_stripped_text("abc\n") == "abc"
    assert converters.parse_stripped_text("\n") is None


def test_empty_text() -> None:
    """Empty text is unknown in optional fields and kept in others."""
    assert converters.parse_optional_text("") is None
    assert converters.parse_text("") == ""


@pytest.mark.parametrize(("text", "expected"), [("true", True), ("false", False), ("", None)])
def test_truth_values_as_text(text: str, expected: bool | None) -> None:
    """A label can contain a boolean; an empty one is unknown."""
    assert converters.parse_bool_text(text) is expected


def test_other_text_is_no_truth_value() -> None:
    """Any other text is invalid."""
    with pytest.raises(ValueError, match=f"^{converters.NOT_A_BOOLEAN}$"):
        converters.parse_bool_text("yes")


@pytest.mark.parametrize(
    ("convert", "text", "expected"),
    [
        (converters.parse_digest, "docker-pullable://nginx@sha256:0f9e", "sha256:0f9e"),
        (converters.parse_digest, "sha256:0f9e", "sha256:0f9e"),
        (converters.parse_digest, "local", "local"),
        (converters.parse_digest, "", None),
        (converters.remove_scheme, "containerd://0f9e", "0f9e"),
        (converters.remove_scheme, "", None),
        (converters.parse_engine, "cri-o://1.30.2", "cri-o"),
        (converters.parse_engine, "", None),
        (converters.parse_owner, "<none>", None),
        (converters.parse_owner, "", None),
        (converters.parse_owner, "Job", "Job"),
    ],
)
def test_texts_of_kube_state_metrics(convert: converters.TextConverter, text: str, expected: str | None) -> None:
    """The part of a text that the field holds is returned; text without content is unknown."""
    assert convert(text) == expected


@pytest.mark.parametrize(
    ("docker_state", "state", "reason"),
    [
        ("running", "running", None),
        ("created", "waiting", "created"),
        ("paused", "waiting", "paused"),
        ("exited", "terminated", "exited"),
        ("stopping", None, "stopping"),
    ],
)
def test_states_of_docker_containers(docker_state: str, state: str | None, reason: str | None) -> None:
    """The state is one of Kubernetes, and the reason is that of Docker; another engine may have more states."""
    assert converters.parse_docker_state(docker_state) == state
    assert converters.parse_docker_reason(docker_state) == reason


@pytest.mark.parametrize(("text", "health"), [("healthy", "healthy"), ("none", None), ("", None)])
def test_health_of_containers(text: str, health: str | None) -> None:
    """A container without a health check has no health."""
    assert converters.parse_health(text) == health


@pytest.mark.parametrize("text", ["0", "-1"])
def test_a_limit_that_is_none(text: str) -> None:
    """A limit that is not positive means that there is none."""
    assert (converters.parse_bytes_limit(text), converters.parse_cores_limit(text)) == (None, None)
