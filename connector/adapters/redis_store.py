"""Saved values in Redis, shared by all replicas."""

from redis.asyncio import Redis
from redis.exceptions import RedisError

from connector.errors import StoreFailed

TIMEOUT_S = 1.0


class RedisStore:
    """Plain keys and values; each question is answered or given up within a second or two."""

    def __init__(self, address: str) -> None:
        self._client = Redis.from_url(address, socket_timeout=TIMEOUT_S, socket_connect_timeout=TIMEOUT_S)

    async def get(self, key: str) -> bytes | None:
        """Return a value. Raises: StoreFailed."""
        try:
            value = await self._client.get(key)
        except (RedisError, OSError) as error:
            raise StoreFailed(type(error).__name__) from None
        return None if value is None else bytes(value)

    async def put(self, key: str, value: bytes | None) -> None:
        """Keep a value, or forget it. Raises: StoreFailed."""
        try:
            if value is None:
                await self._client.delete(key)
            else:
                await self._client.set(key, value)
        except (RedisError, OSError) as error:
            raise StoreFailed(type(error).__name__) from None

    async def close(self) -> None:
        await self._client.aclose()
