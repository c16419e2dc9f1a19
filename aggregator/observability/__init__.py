"""What the process reports about itself: logs, metrics and traces, without secrets."""
