"""Tests with tokens of a real Keycloak: `make test-keycloak`."""
