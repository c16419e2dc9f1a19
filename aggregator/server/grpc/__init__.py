"""The gRPC server: services, interceptors, limits and the supervisor of the accept loop."""
