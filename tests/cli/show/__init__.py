"""Tests of aggregator/cli/show/."""
