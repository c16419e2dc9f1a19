"""Tests of aggregator/server/openapi/."""
