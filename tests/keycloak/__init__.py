"""Tokens of a real Keycloak against real gateways; apart from the default suite: `make test-keycloak`."""
