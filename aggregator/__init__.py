"""Aggregator: the metrics in Prometheus or Thanos as one live topology of a multi-cluster system."""

from importlib.metadata import version

__version__ = version("aggregator")
