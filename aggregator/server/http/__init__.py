"""The HTTP server: routes, responses, middleware and connection limits."""
