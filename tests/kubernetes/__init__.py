"""Against a real one-node Kubernetes and its exporters; not part of the default suite: make test-kubernetes."""
