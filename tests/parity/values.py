"""How captures write values that JSON lacks, and how we write them. Pure."""

from base64 import b64encode
from collections.abc import Mapping
from typing import Any

TAGS = frozenset(
    {
        "$bytearray_hex", "$bytes_hex", "$date", "$datetime", "$decimal", "$enum", "$float", "$repeat", "$set",
        "$tuple",
    }
)  # fmt: skip
OTHERWISE = (
    "$bytearray_hex", "$bytes_hex", "$dict_items", "$float", "$frozenset", "$object", "$time", "$timedelta_seconds",
    "$uuid",
)  # fmt: skip
"""What a record holds as another value than Python does, or not at all."""


def plain(value: Any) -> Any:
    """Return what a record with this value decodes to.

    Shape: times as their text, decimals as numbers, bytes as base64, sets and tuples as arrays: `pipeline/conversion`.
    """
    if isinstance(value, list):
        return [plain(one) for one in value]
    if not isinstance(value, Mapping):
        return value
    if len(value) == 1:
        ((tag, held),) = value.items()
        if tag in TAGS:
            return _tagged(tag, held)
    return {key: plain(one) for key, one in value.items()}


def _tagged(tag: str, held: Any) -> Any:
    match tag:
        case "$decimal" | "$float":
            return float(held)
        case "$set" | "$tuple":
            return plain(held)
        case "$enum":
            return plain(held["value"])
        case "$repeat":
            return held["text"] * held["count"]
        case "$bytes_hex" | "$bytearray_hex":
            return b64encode(bytes.fromhex(held)).decode()
    return held


def holds(value: Any, *tags: str) -> bool:
    """Tell whether one of these tags is anywhere within."""
    if isinstance(value, list):
        return any(holds(one, *tags) for one in value)
    if isinstance(value, Mapping):
        return any(key in tags or holds(one, *tags) for key, one in value.items())
    return False
