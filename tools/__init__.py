"""Tools for maintainers: code generation and generated pages. Not part of the program."""
