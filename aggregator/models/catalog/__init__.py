"""The catalog: for each metric its query, its owner and the fields that it fills."""
