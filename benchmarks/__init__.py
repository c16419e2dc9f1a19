"""Benchmarks: the gateway compared with the Go service and with a baseline server on the same machine."""
