"""Tests of aggregator/server/http/."""
