"""The domain model: the immutable topology, the catalog, samples, the builder, the quality of a refresh, and grants."""
