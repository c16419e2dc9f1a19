"""Real programs that tests run beside ours: built or fetched once, and kept in a cache outside of the checkout."""
