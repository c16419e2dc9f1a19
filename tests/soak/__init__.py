"""A long run under faults that come and go at random: python -m tests.soak."""
