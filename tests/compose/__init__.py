"""The compose file of the monitoring stack with a real Docker Compose and a real Docker Engine."""
