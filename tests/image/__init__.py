"""Tests of the container image with a real Docker: `make test-image`."""
