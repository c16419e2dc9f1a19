"""Tests of aggregator.mcp."""
