"""The whole monitoring stack as processes on one machine: `make stack`."""
