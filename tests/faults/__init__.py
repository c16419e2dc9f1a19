"""Faults of upstreams, clients and the machine, injected into a running gateway process."""
