"""Stores of saved values by their addresses."""

from pathlib import Path

from connector.adapters.sqlite_store import SqliteStore
from connector.pipeline.lookup import Store

SQLITE = "sqlite:///"


def open_store(address: str) -> Store:
    """Make the store of an address, which its sink has checked: sqlite:///<path> or one of Redis."""
    if address.startswith(SQLITE):
        return SqliteStore(Path(address.removeprefix(SQLITE)))
    # Its client is large, and few processes have one.
    from connector.adapters.redis_store import RedisStore

    return RedisStore(address)
