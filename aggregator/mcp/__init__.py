"""Tools for language models (Model Context Protocol), over the HTTP API of a gateway."""
