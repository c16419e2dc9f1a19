"""Renderers: the bytes of each published format of a topology."""
