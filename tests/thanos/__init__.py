"""Against a real Thanos, Prometheus 2 and Prometheus 3; not part of the default suite: make test-thanos."""
