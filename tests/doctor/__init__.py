"""The doctor, before upstreams that are played."""
