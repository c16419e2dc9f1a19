"""What all tests share: how hypothesis runs."""

import hypothesis

# A laptop that is busy with something else must not fail a test, and the same code must give the same result.
hypothesis.settings.register_profile("aggregator", deadline=None, derandomize=True, database=None, max_examples=60)
hypothesis.settings.load_profile("aggregator")
