"""Prometheus and Thanos as a source: client, credentials, response bodies, decoding."""
