"""Faults of the upstream, of the clients and of the machine, against the program as a process of its own."""
