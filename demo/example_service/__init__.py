"""A REST service with PostgreSQL to monitor: border control, as in the older monitoring stack."""
