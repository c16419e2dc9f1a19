"""The Prometheus text format: read a page of metrics, relabel it, merge pages, and write the result."""
