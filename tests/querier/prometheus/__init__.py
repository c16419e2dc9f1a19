"""Tests of aggregator/querier/prometheus/."""
