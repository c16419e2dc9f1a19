"""Tests of the gateway, and the programs that compare it with the service that it replaces."""
