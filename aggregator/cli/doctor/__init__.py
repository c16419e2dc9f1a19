"""The command `aggregator doctor`: examines the telemetry and advises what to fix."""
