"""How fast the gateway is, beside the Go service and beside what the same machine could do at best."""
