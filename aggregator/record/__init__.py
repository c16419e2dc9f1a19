"""`aggregator record`: what the upstreams answer, written into a file."""
