"""Tests of what turns a topology into bytes."""
