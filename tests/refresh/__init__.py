"""Tests of aggregator/refresh/."""
