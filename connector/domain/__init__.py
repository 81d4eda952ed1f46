"""Frozen values that the stages hand on. Pure: the standard library and msgspec."""
