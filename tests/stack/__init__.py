"""The example service, and the monitoring stack around it."""
