"""Tests of aggregator/models/catalog/."""
