"""Fuzz tests: no input makes the gateway fail, reveal secrets, or stop serving."""
