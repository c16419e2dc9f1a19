"""Tests of aggregator/cli/."""
