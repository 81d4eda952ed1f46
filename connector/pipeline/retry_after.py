"""What a reply's Retry-After asks for. Pure."""

from collections.abc import Mapping
from datetime import UTC, datetime

from connector.domain.http_date import read_http_date


def retry_after_s(headers: Mapping[str, str], now_ms: int, *, longest_s: float) -> float | None:
    """Read the wait that a reply asks for; None where it asks for none that makes sense.

    Shape: whole or decimal seconds, or an HTTP date, which is measured against the reply's own Date where it has one:
    the vendor's clock and ours may differ by hours.
    """
    text = headers.get("retry-after", "").strip()
    if not text:
        return None
    try:
        wait_s = float(text)
    except ValueError:
        until = read_http_date(text)
        if until is None:
            return None
        base = read_http_date(headers.get("date", "")) or datetime.fromtimestamp(now_ms / 1000, UTC)
        wait_s = (until - base).total_seconds()
    if not wait_s > 0:
        return None
    return min(wait_s, longest_s)
