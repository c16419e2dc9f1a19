"""Tests of aggregator/settings/."""
