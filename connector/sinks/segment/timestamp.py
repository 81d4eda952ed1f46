"""Times as Segment reads them. Pure."""

from datetime import UTC, datetime, timedelta
from functools import lru_cache

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def iso(moment_ms: int) -> str:
    """Write a time as ISO 8601 with exactly three decimals and +00:00.

    Raises: OverflowError, outside the years 1 to 9999.
    """
    second, thousandths = divmod(moment_ms, 1000)
    return f"{_second(second)}.{thousandths:03d}+00:00"


# Neighbouring events share their second, and formatting it is a fifth of a translation.
@lru_cache(maxsize=1024)
def _second(second: int) -> str:
    return (_EPOCH + timedelta(seconds=second)).replace(tzinfo=None).isoformat()
