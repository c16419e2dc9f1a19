"""`aggregator show`: the topology as a tree in a terminal."""
