"""What the project's own upkeep needs; no part of the program."""
