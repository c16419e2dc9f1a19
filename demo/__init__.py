"""The demo: a simulated fleet as Prometheus series, as a source and as a recording; `make run` starts it."""
