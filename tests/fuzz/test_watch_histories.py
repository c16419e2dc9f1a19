"""Copies that watches keep equal every version, in many random histories; the property is in tests/server/watch."""

from hypothesis import given
from hypothesis import strategies as st

from aggregator.lookup.watch import WatchOptions
from aggregator.models.grant import UNRESTRICTED, Grant
from tests.fuzz.fuzz_settings import fuzz_examples
from tests.server.watch.test_histories import RESTRICTED, WATCH_OPTIONS, check_history

# With the factor of `make fuzz`, a thousand.
EXAMPLE_COUNT = 250


@fuzz_examples(EXAMPLE_COUNT)
@given(data=st.data(), options=WATCH_OPTIONS, grant=st.sampled_from([UNRESTRICTED, RESTRICTED]), is_json=st.booleans())
def test_copies_equal_every_version(data: st.DataObject, options: WatchOptions, grant: Grant, is_json: bool) -> None:
    """Whatever is lost, slow, restarted, filtered or restricted, a copy equals the lists, byte for byte."""
    check_history(data, options, grant, is_json=is_json)
