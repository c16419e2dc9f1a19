"""Looking up and listing: from what is asked, as text, to the bytes of an answer. Pure; docs/api.md tells of it."""
