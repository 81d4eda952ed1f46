"""Stores of saved values by their addresses."""

from pathlib import Path

from connector.adapters.redis_store import RedisStore
from connector.adapters.sqlite_store import SqliteStore

SQLITE = "sqlite:///"


def open_store(address: str) -> RedisStore | SqliteStore:
    """Make the store of an address, which its sink has checked: sqlite:///<path> or one of Redis."""
    if address.startswith(SQLITE):
        return SqliteStore(Path(address.removeprefix(SQLITE)))
    return RedisStore(address)
