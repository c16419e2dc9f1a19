"""Recordings: the format, pseudonyms, and what is replayed."""
