"""Instants in requests: three forms, and clear errors for everything else."""

import pytest

from aggregator.errors import BadRequestError
from aggregator.lookup.instants import INSTANT_PATTERN, format_instant, parse_instant
from tests.server.openapi.document import OPENAPI_DOCUMENT

NOW_SECONDS = 1_795_208_230.75


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-20T20:57:08Z", 1_795_208_228),
        ("2026-11-20t20:57:08.999z", 1_795_208_228),
        ("2026-11-20T22:57:08+02:00", 1_795_208_228),
        ("1795208228", 1_795_208_228),
        ("1795208228.999", 1_795_208_228),
        ("0", 0),
        ("-1h", 1_795_204_630),
        ("-90m", 1_795_202_830),
        ("-1d12h", 1_795_078_630),
        ("-750ms", 1_795_208_230),
        ("-1s", 1_795_208_229),
        ("9999-12-31T23:59:59Z", 253_402_300_799),
    ],
)
def test_instants_are_whole_seconds(text: str, expected: int) -> None:
    """RFC 3339, Unix seconds, and durations before now; fractions of a second are cut off."""
    assert parse_instant(text, NOW_SECONDS) == expected


@pytest.mark.parametrize(
    "text",
    [
        *("NaN", "nan", "inf", "-inf", "1e400", "1e9", "0x10", "١", "-5", "-", "+1h", "1h", "now", "now-1h", " ", "\0"),
        *(
            "2026-11-20",
            "2026-11-20T20:57:08",
            "2026-13-01T00:00:00Z",
            "2026-02-30T00:00:00Z",
            "\ud800",
            "-1h30",
            "1_0",
        ),
        *("1795208228000", "-1h-1h", "--1h", "-1h ", "1,2", "9" * 100_000, "-" + "9" * 100_000 + "y"),
    ],
)
def test_other_texts_are_refused(text: str) -> None:
    """The error names the parameter, the forms that are valid, and not more than the beginning of the text."""
    with pytest.raises(
        BadRequestError, match=r"^from must be a time such as 2026-.* or a duration before now"
    ) as refused:
        parse_instant(text, NOW_SECONDS, "from")
    assert refused.value.parameter == "from"
    assert len(str(refused.value)) < 1000


@pytest.mark.parametrize(
    "text", ["1969-12-31T23:59:59Z", "0001-01-01T00:00:00Z", "-57y", "-999999999y", "253402300800", "999999999999"]
)
def test_years_without_data_are_refused(text: str) -> None:
    """An instant before 1970 or after 9999 is an error, also as a duration."""
    with pytest.raises(BadRequestError, match="must be between the years 1970 and 9999"):
        parse_instant(text, NOW_SECONDS)


def test_a_plus_sign_that_became_a_space_is_explained() -> None:
    """In a query string, + is a space: the error says how to write it."""
    with pytest.raises(BadRequestError, match=r"percent-encode \+ as %2B"):
        parse_instant("2026-11-20T22:57:08 02:00", NOW_SECONDS)


def test_instants_are_formatted_as_they_are_read() -> None:
    """The text of an instant can be requested again, and is that of the whole second."""
    assert format_instant(NOW_SECONDS) == "2026-11-20T20:57:10Z"
    assert parse_instant(format_instant(NOW_SECONDS), 0.0) == int(NOW_SECONDS)


def test_the_document_has_the_pattern() -> None:
    """The schema of `time` allows the same forms, and an empty text."""
    parameters = OPENAPI_DOCUMENT["paths"]["/"]["get"]["parameters"]
    (schema,) = [each["schema"] for each in parameters if each["name"] == "time"]
    assert schema["pattern"] == f"^({INSTANT_PATTERN})?$"
