"""Tests of aggregator.lookup.candidates."""
