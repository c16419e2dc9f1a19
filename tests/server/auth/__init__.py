"""Tests of aggregator/server/auth/."""
