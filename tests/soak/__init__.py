"""A soak test with random faults: python -m tests.soak."""
