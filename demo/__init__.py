"""A simulated fleet and the real Prometheus that watches it: what `make run` starts, what tests and benchmarks use."""
