"""HTTP dates as replies write them. Pure."""

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime


def read_http_date(text: str) -> datetime | None:
    """Read a date such as `Tue, 04 Mar 2025 05:06:07 GMT`; None where it is none. UTC without a zone."""
    try:
        date = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return date if date.tzinfo else date.replace(tzinfo=UTC)
