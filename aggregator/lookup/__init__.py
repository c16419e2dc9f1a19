"""Lookups in one topology: objects by name, and filtered, paged lists."""
