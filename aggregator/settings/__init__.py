"""The settings, read once from the environment and checked together."""
