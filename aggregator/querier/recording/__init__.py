"""Recordings: the file format and its writer, pseudonyms, and replaying a recording as a source."""
