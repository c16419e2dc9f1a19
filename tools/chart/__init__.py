"""What the Helm chart in deploy/chart is generated from, and what is generated from the chart."""
