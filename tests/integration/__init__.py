"""Tests of the real program: as a process of its own, with a real Prometheus."""
