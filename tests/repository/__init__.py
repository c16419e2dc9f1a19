"""Tests of aggregator/repository/."""
