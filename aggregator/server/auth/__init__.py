"""Token checks: bearer tokens, the keys that verify them, and what their roles allow."""
