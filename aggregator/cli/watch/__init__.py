"""The commands that show changes: `aggregator watch` and `aggregator diff`."""
