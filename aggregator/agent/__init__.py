"""The agent of a Docker host: what it collects, serves and reports."""
