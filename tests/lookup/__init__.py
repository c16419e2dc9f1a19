"""Tests of looking up and listing, without a server."""
