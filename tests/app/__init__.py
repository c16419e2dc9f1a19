"""Tests of aggregator/app/."""
