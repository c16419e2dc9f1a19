"""The command line: serve, show, record, doctor, the health check and the ETIM client."""
