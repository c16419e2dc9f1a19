"""The simulated fleet and what `make run` does around it."""
