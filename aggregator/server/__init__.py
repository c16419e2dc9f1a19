"""The HTTP and gRPC servers, and what they share."""
