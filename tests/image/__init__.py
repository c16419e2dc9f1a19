"""The container image, built and asked on a real Docker: `make test-image`."""
