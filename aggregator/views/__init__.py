"""From the topology to the bytes of each published format: one file a format. Pure; the names of a format live here only."""
