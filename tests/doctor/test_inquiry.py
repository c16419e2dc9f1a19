"""What the doctor asks beside the rows: an answer that tells nothing is as good as none."""

import pytest

from aggregator.doctor.inquiry import Inquiry
from tests.samples import body


class Telling:
    """An upstream that answers everything with one text."""

    def __init__(self, text: str) -> None:
        self._text = text

    def ask(self, _promql: str, _at_seconds: float) -> bytes:
        """Answer."""
        return body([({}, self._text)])

    def abort(self) -> None:
        """Do nothing."""


@pytest.mark.parametrize(("text", "number"), [("7", 7), ("7.0", 7), ("many", 0), ("NaN", 0), ("+Inf", 0), ("", 0)])
def test_a_number_that_is_none_counts_nothing(text: str, number: int) -> None:
    """A count that an upstream tells in other words than numbers is no count, and breaks nothing."""
    assert Inquiry(Telling(text), 1.0).targets() == number
