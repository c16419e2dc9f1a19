"""Tests of the commands that show changes."""
