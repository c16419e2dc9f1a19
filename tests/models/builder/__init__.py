"""Tests of aggregator/models/builder/."""
