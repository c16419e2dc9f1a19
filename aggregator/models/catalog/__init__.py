"""The catalog: for each metric its query, its entity and the fields that it fills."""
