"""The command `aggregator record`."""
