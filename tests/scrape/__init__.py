"""Tests of aggregator.scrape."""
