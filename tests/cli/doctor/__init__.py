"""Tests of aggregator/cli/doctor/."""
