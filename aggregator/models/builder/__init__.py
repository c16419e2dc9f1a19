"""The builder: from samples to a topology, accounting for every sample."""
