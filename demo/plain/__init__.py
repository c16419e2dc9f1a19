"""Plain Kubernetes clusters and Docker hosts: stock exporters, without ICOS labels."""
