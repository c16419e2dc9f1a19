"""Tests of aggregator/querier/."""
