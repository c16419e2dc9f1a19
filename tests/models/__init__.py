"""Tests of what turns answers into a topology."""
