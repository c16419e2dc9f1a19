"""Asks Prometheus or Thanos: PromQL in, typed samples out. Knows no metric and no field."""
