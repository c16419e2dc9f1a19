"""Tests of aggregator/observability/."""
