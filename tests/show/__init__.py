"""The command `aggregator show`."""
