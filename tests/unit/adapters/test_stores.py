"""Stores of saved values: SQLite whole, Redis as far as one that is not there."""

import asyncio
from pathlib import Path

import pytest

from connector.adapters.redis_store import RedisStore
from connector.adapters.sqlite_store import SqliteStore
from connector.adapters.stores import open_store
from connector.errors import StoreFailed


def test_a_value_is_kept_for_a_later_process_replaced_and_forgotten(tmp_path: Path) -> None:
    async def main() -> list[bytes | None]:
        seen = []
        for value in (b"first", b"\x00second", None):
            store = SqliteStore(tmp_path / "below" / "visitors.db")
            await store.put("env:u1", value)
            await store.close()
            again = SqliteStore(tmp_path / "below" / "visitors.db")
            seen.append(await again.get("env:u1"))
            seen.append(await again.get("env:u2"))
            await again.close()
        return seen

    assert asyncio.run(main()) == [b"first", None, b"\x00second", None, None, None]


def test_a_file_that_is_no_database_fails_by_the_kind_of_the_error_alone(tmp_path: Path) -> None:
    path = tmp_path / "visitors.db"
    path.write_bytes(b"no database, but long enough to be looked at as one" * 40)

    async def main() -> None:
        store = SqliteStore(path)
        try:
            await store.get("u1")
        finally:
            await store.close()

    with pytest.raises(StoreFailed) as failed:
        asyncio.run(main())
    assert failed.value.reason == "DatabaseError"


def test_a_redis_that_is_not_there_fails_and_says_nothing_of_its_address() -> None:
    async def main() -> None:
        store = RedisStore("redis://:hunter2@127.0.0.1:1/0")
        try:
            await store.get("u1")
        finally:
            await store.close()

    with pytest.raises(StoreFailed) as failed:
        asyncio.run(main())
    assert failed.value.reason == "ConnectionError"


@pytest.mark.parametrize(
    ("address", "kind"),
    [
        ("sqlite:///visitors.db", SqliteStore),
        ("redis://cache:6379/0", RedisStore),
        ("rediss://user:password@cache/1", RedisStore),
    ],
)
def test_an_address_names_its_kind_of_store(address: str, kind: type) -> None:
    assert isinstance(open_store(address), kind)
