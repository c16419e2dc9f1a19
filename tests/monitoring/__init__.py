"""The alert rules, Alertmanager and Grafana as deploy/monitoring configures them."""
