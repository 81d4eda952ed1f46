"""A store of saved values in memory, that is down as scripted."""

from connector.errors import StoreFailed


class ShakyStore:
    """Keeps values in memory, and is down for so many questions first; one that is `full` can only be read."""

    def __init__(self, down_for: int = 0, *, full: bool = False) -> None:
        self.full = full
        self.values: dict[str, bytes] = {}
        self.asked = 0
        self.closed = False
        self._down_for = down_for

    async def get(self, key: str) -> bytes | None:
        self._shake()
        return self.values.get(key)

    async def put(self, key: str, value: bytes | None) -> None:
        self._shake()
        if self.full:
            raise StoreFailed("full")
        if value is None:
            self.values.pop(key, None)
        else:
            self.values[key] = value

    async def close(self) -> None:
        self.closed = True

    def _shake(self) -> None:
        self.asked += 1
        if self.asked <= self._down_for:
            raise StoreFailed("timeout")
