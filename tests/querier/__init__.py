"""Tests of what asks Prometheus."""
