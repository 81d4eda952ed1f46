"""The vendors: each a pure translation between our events and their wire."""
