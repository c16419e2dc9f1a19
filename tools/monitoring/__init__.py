"""Generates the files of deploy/monitoring."""
