"""Which offsets above the committed one are resolved, as text that is committed with it. Pure.

`a1.<leader epoch>.<witness>.<ranges>`: the epoch of the newest record that was read, a checksum of the record at the
committed offset, and the ranges as base64 of zlib of varints: the first offset, then lengths in turn of what is
resolved and of what is not. Both heads are there so that nothing is ever left out that was not resolved. The witness is
another one where the topic was made anew, the group was moved or the commit was copied to another cluster; a record
that took the place of a lost one was written under a later leader.
"""

import re
import zlib
from base64 import b64decode, b64encode
from collections.abc import Iterable, Sequence
from itertools import pairwise

from msgspec import Struct

from connector.domain.record import Record

# A broker takes 4,096 bytes of metadata unless it is set otherwise (offset.metadata.max.bytes).
MOST_CHARACTERS = 3500

_TEXT = re.compile(r"a1\.(-1|\d{1,10})\.([0-9a-f]{8})\.([A-Za-z0-9+/=]+)")
_MOST_PACKED = 1 << 20
_LARGEST = 1 << 63

# From the first offset to the one after the last.
Range = tuple[int, int]


class Ahead(Struct, frozen=True):
    """What is resolved above a committed offset: ranges in order, and what to believe them by."""

    ranges: tuple[Range, ...]
    leader_epoch: int
    witness: int


def witness(cluster_id: str, record: Record) -> int:
    """Return a checksum by which a record is known again, as this one of this log."""
    at = f"{cluster_id}/{record.partition}/{record.offset}/{record.timestamp_ms}"
    return zlib.crc32(record.value or b"", zlib.crc32(record.key or b"", zlib.crc32(at.encode())))


def pack(ranges: Sequence[Range], most: int) -> str:
    """Write ranges in at most so many characters; the last ones are left out where they do not fit."""
    while ranges:
        text = b64encode(zlib.compress(_numbers(ranges))).decode()
        if len(text) <= most:
            return text
        ranges = ranges[: min(len(ranges) - 1, len(ranges) * most // len(text))]
    return ""


def above(ranges: Iterable[Range], offset: int) -> list[Range]:
    """Cut off what lies below an offset."""
    return [(max(first, offset), after) for first, after in ranges if after > offset]


def write(packed: str, leader_epoch: int, of: int) -> str:
    return f"a1.{leader_epoch}.{of:08x}.{packed}"


def read(text: str) -> Ahead:
    """Read what was written. Raises: ValueError."""
    found = _TEXT.fullmatch(text)
    if found is None:
        raise ValueError("not a list of offsets of this version")
    unpacked = zlib.decompressobj()
    try:
        numbers = unpacked.decompress(b64decode(found[3], validate=True), _MOST_PACKED)
    except zlib.error as exc:
        raise ValueError(str(exc)) from exc
    if not unpacked.eof:
        raise ValueError("a list of offsets without its end")
    return Ahead(_ranges(numbers), int(found[1]), int(found[2], 16))


def _numbers(ranges: Iterable[Range]) -> bytes:
    packed, at = bytearray(), 0
    for first, after in ranges:
        for number in (first - at, after - first):
            while number > 0x7F:
                packed.append(number & 0x7F | 0x80)
                number >>= 7
            packed.append(number)
        at = after
    return bytes(packed)


def _ranges(packed: bytes) -> tuple[Range, ...]:
    ends, number, shift = [0], 0, 0
    for byte in packed:
        number |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            ends.append(ends[-1] + number)
            number = shift = 0
        elif shift > 63:
            raise ValueError("a number that is no offset")
    if shift or len(ends) % 2 == 0 or ends[-1] >= _LARGEST:
        raise ValueError("a list of offsets that breaks off")
    return tuple(pairwise(ends))[1::2]
