"""Whatever comes in from outside: no input makes the gateway break, tell what it must not, or stop serving."""
