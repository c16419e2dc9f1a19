"""Tests of aggregator/server/grpc/."""
