"""Tests of aggregator.registry."""
