"""The Docker Engine API: requests, and what they report as frozen values."""
