"""Helpers without knowledge of the domain: chunked loops, content codings, certificates, HTTP client."""
