"""Watches, with the real service and real servers."""
