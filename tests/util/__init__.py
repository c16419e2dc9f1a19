"""Tests of aggregator/util/."""
