"""Sources of samples: their common interface, Prometheus and Thanos, and recordings."""
