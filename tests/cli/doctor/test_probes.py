"""Extra queries of the doctor: an unusable response counts as none."""

import pytest

from aggregator.cli.doctor.probes import UpstreamInspector
from aggregator.querier.prometheus.decode import CompressedBody
from tests.support.fake_upstream import compress_body
from tests.support.samples import encode_response


class FixedValueUpstream:
    """An upstream that returns the same body for every query."""

    def __init__(self, text: str) -> None:
        self._text = text

    def query(self, _promql: str, _at_seconds: float) -> CompressedBody:
        """Return the body."""
        return compress_body(encode_response([({}, self._text)]))

    def abort(self) -> None:
        """Do nothing."""


@pytest.mark.parametrize(("text", "number"), [("7", 7), ("7.0", 7), ("many", 0), ("NaN", 0), ("+Inf", 0), ("", 0)])
def test_an_invalid_count_is_zero(text: str, number: int) -> None:
    """A count that is not a number counts as zero."""
    assert UpstreamInspector(FixedValueUpstream(text), 1.0).count_targets() == number
