"""Saved values in a SQLite file, on a thread of their own."""

import asyncio
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from connector.errors import StoreFailed

BUSY_S = 2.0

T = TypeVar("T")


class SqliteStore:
    """One table of keys and values. What was put is there after a crash of the process."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="sqlite")
        self._opened: sqlite3.Connection | None = None

    async def get(self, key: str) -> bytes | None:
        """Return a value. Raises: StoreFailed."""
        return await self._on_thread(lambda db: self._read(db, key))

    async def put(self, key: str, value: bytes | None) -> None:
        """Keep a value, or forget it. Raises: StoreFailed."""
        if value is None:
            await self._on_thread(lambda db: db.execute("DELETE FROM kept WHERE key = ?", (key,)))
        else:
            await self._on_thread(lambda db: db.execute("INSERT OR REPLACE INTO kept VALUES (?, ?)", (key, value)))

    async def close(self) -> None:
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._thread, self._close)
        self._thread.shutdown(wait=False)

    async def _on_thread(self, work: Callable[[sqlite3.Connection], T]) -> T:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, self._work, work)

    def _work(self, work: Callable[[sqlite3.Connection], T]) -> T:
        try:
            if self._opened is None:
                self._opened = self._open()
            return work(self._opened)
        except (sqlite3.Error, OSError) as error:
            raise StoreFailed(type(error).__name__) from None

    def _open(self) -> sqlite3.Connection:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        # Without isolation level every statement is a transaction of its own.
        database = sqlite3.connect(self._path, timeout=BUSY_S, isolation_level=None)
        database.execute("PRAGMA journal_mode=WAL")
        database.execute("PRAGMA synchronous=NORMAL")
        database.execute("CREATE TABLE IF NOT EXISTS kept (key TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID")
        return database

    def _close(self) -> None:
        if self._opened is not None:
            self._opened.close()
            self._opened = None

    @staticmethod
    def _read(database: sqlite3.Connection, key: str) -> bytes | None:
        row = database.execute("SELECT value FROM kept WHERE key = ?", (key,)).fetchone()
        return None if row is None else bytes(row[0])
