"""Documents of a running gateway, as the commands with --url read them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.cli.gateway import InvalidQualityError, parse_quality
from aggregator.models.quality import Quality
from aggregator.server.openapi.examples import QUALITY_EXAMPLE
from aggregator.views.v1_format import render_quality_json


@pytest.mark.parametrize("quality", [QUALITY_EXAMPLE, Quality(), Quality(failure="x", unavailable="y", complete=True)])
def test_a_parsed_report_equals_the_original(quality: Quality) -> None:
    """A quality report that a gateway sends is parsed without a loss."""
    assert parse_quality(render_quality_json(quality)) == quality


@pytest.mark.parametrize(
    "document",
    [b"", b"[]", b"<html>", b"\xff", b'{"rows":1}', b'{"rows":[{"sources":[{"source":"p","result":7}]}]}'],
    ids=str,
)
def test_any_other_document_is_invalid(document: bytes) -> None:
    """A document that no gateway sends is an InvalidQualityError."""
    with pytest.raises(InvalidQualityError):
        parse_quality(document)


@given(st.binary(max_size=100))
def test_any_bytes_are_parsed_or_invalid(document: bytes) -> None:
    """No bytes raise any other error."""
    try:
        parse_quality(document)
    except InvalidQualityError:
        return
