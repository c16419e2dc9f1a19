"""The Helm chart in deploy/chart. Tests that need Helm are not part of the default suite: make test-chart."""
