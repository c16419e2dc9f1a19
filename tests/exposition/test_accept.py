"""aggregator/exposition/accept.py: the content type for an Accept header."""

import pytest

from aggregator.exposition.accept import TEXT_0_0_4, TEXT_1_0_0, negotiate_content_type

PROMETHEUS_2 = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
PROMETHEUS_3 = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
    "application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,"
    "text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
)


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("", TEXT_0_0_4),
        ("*/*", TEXT_0_0_4),
        (PROMETHEUS_2, TEXT_0_0_4),
        (PROMETHEUS_3, TEXT_0_0_4),
        ("text/plain; version=1.0.0", TEXT_1_0_0),
        ("text/plain;version=1.0.0, text/plain;version=0.0.4;q=0.0", TEXT_1_0_0),
        ("application/openmetrics-text", TEXT_0_0_4),
        ("garbage;;=,", TEXT_0_0_4),
    ],
)
def test_the_content_type(accept: str, expected: str) -> None:
    """Text 0.0.4 is the content type for every client except one that accepts only version 1.0.0."""
    assert negotiate_content_type(accept) == expected
