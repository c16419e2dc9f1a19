"""The topology, the table of what is asked for it, and the builder that makes the one from the answers to the other."""
