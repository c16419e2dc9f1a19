"""The command `aggregator show`: draws the topology as a tree in a terminal."""
