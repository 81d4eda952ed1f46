"""Values that are no event, or hardly one, written byte by byte; what must become of each. Pure, but for the folder."""

import json
import shutil
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fastavro import parse_schema
from fastavro.schema import fingerprint, to_parsing_canonical_form
from msgspec import Struct

from tests.integration.events import AVRO, Made

Headers = tuple[tuple[str, bytes | None], ...]
REPEATED: Headers = (("trace", b"1"), ("trace", b"\xff\x00"), ("empty", None), ("trace", b"1"))


class Case(Struct, frozen=True):
    """One record. It ends in a letter with `reason`, or is delivered, and then `expected` are fields of the message.

    Shape: `schema` None where `value` carries its own head, else it is appended to the schema's.
    """

    name: str
    value: bytes
    reason: str = ""
    expected: dict[str, Any] = {}
    schema: Any = None
    key: bytes | None = b"user-1"
    headers: Headers = ()

    @property
    def head(self) -> bytes:
        if self.schema is None:
            return b""
        canonical = to_parsing_canonical_form(parse_schema(self.schema))
        return b"\xc3\x01" + bytes.fromhex(fingerprint(canonical, "CRC-64-AVRO"))

    def made(self, number: int) -> Made:
        return Made(self.key, self.head + self.value, self.name, "Track", number, number, self.headers)


def number(value: int) -> bytes:
    """An int or a long as Avro writes it."""
    rest, out = (value << 1) ^ (value >> 63), bytearray()
    while rest > 0x7F:
        out.append(rest & 0x7F | 0x80)
        rest >>= 7
    return bytes([*out, rest])


def text(value: str | bytes) -> bytes:
    data = value.encode() if isinstance(value, str) else value
    return number(len(data)) + data


def track(name: str, *fields: dict[str, Any]) -> dict[str, Any]:
    """A producer's Track of three texts and these fields; `name` keeps its fingerprint apart from the others'."""
    texts = [{"name": field, "type": "string"} for field in ("name", "message_id", "user_id")]
    return {
        "type": "record",
        "name": "connector.events.Track",
        "fields": [*texts, *fields, {"name": name, "type": ["null", "int"]}],
    }


def _start(identifier: str, user: str = "user-1") -> bytes:
    return text("Button Pressed") + text(identifier) + text(user)


_NOTHING = number(0)  # the branch null of the field that tells schemas apart


def _property(name: str, avro_type: Any, data: bytes, reason: str = "", value: Any = None) -> Case:
    """A Track whose property `it` is of a type and has these bytes."""
    inner = {"type": "record", "name": f"{name}_properties", "fields": [{"name": "it", "type": avro_type}]}
    schema = track(f"{name}_only", {"name": "properties", "type": inner})
    expected = {} if reason else {"properties": {"it": value}}
    return Case(name, _start(name) + data + _NOTHING, reason, expected, schema)


def _at(name: str, timestamp_ms: int, reason: str = "", value: str = "") -> Case:
    schema = track(f"{name}_only", {"name": "timestamp", "type": {"type": "long", "logicalType": "timestamp-millis"}})
    expected = {"timestamp": value} if value else {}
    return Case(name, _start(name) + number(timestamp_ms) + _NOTHING, reason, expected, schema)


_ENUM = {"type": "enum", "name": "Tier", "symbols": ["A", "B"]}
_DECIMAL = {"type": "bytes", "logicalType": "decimal", "precision": 4, "scale": 2}
_DATE = {"type": "int", "logicalType": "date"}
_TREE = {"type": "record", "name": "Tree", "fields": [{"name": "child", "type": ["null", "Tree"]}]}
_NOISE = {"type": "record", "name": "com.acme.Noise", "fields": [{"name": "n", "type": "int"}]}
_PLAIN = track("plain_only")
_JSON = track("json_only", {"name": "properties_json", "type": "string"})
_MIXED = [_NOISE, track("mixed_only")]


def cases() -> list[Case]:
    """All of them. Days count from 1970: 2932896 is the last of the year 9999, -719162 the first of the year 1."""
    return [*_heads(), *_bodies(), *_fields(), *_contents()]


def _heads() -> Iterator[Case]:
    yield Case("no_bytes", b"", "empty")
    yield Case("zero_only", b"\x00", "framing")
    yield Case("half_a_fingerprint", b"\xc3\x01abc", "framing")
    yield Case("magic_1", b"\x01\x00\x00\x00\x07abc", "not_avro")
    yield Case("json", b'{"name": "Button Pressed"}', "not_avro")
    yield Case("unknown_fingerprint", b"\xc3\x0112345678" + _start("x"), "fingerprint_unknown")
    yield Case("unknown_id", b"\x00\x00\x00\x30\x39" + _start("x"), "schema_not_found")
    yield Case("no_key", b"\x00", "framing", key=None)
    yield Case("repeated_headers", b"\x00", "framing", headers=REPEATED)


def _bodies() -> Iterator[Case]:
    plain = _start("plain") + _NOTHING
    yield Case("truncated", plain[:-5], "truncated", schema=_PLAIN)
    yield Case("head_alone", b"", "truncated", schema=_PLAIN)
    yield Case("trailing", plain + b"x", "trailing_bytes", schema=_PLAIN)
    yield Case("no_utf8", text(b"\xff\xfe") + plain, "bad_utf8", schema=_PLAIN)
    yield Case("other_branch", number(0) + number(1), "unknown_record", schema=_MIXED)
    yield Case("no_branch", number(2) + number(1), "bad_index", schema=_MIXED)
    yield Case("our_branch", number(1) + _start("our_branch") + _NOTHING, schema=_MIXED)
    yield Case("no_key_good", _start("no_key_good") + _NOTHING, schema=_PLAIN, key=None, headers=REPEATED)
    yield Case("no_user", _start("no_user", user="") + _NOTHING, "no_identity", schema=_PLAIN)


def _fields() -> Iterator[Case]:
    yield _property("nan", "double", struct.pack("<d", float("nan")), value=None)
    yield _property("infinity", "float", struct.pack("<f", float("-inf")), value=None)
    yield _property("enum_known", _ENUM, number(1), value="B")
    yield _property("enum_unknown", _ENUM, number(2), "bad_index")
    yield _property("decimal_fits", _DECIMAL, text((9999).to_bytes(2, "big")), value=99.99)
    yield _property("decimal_beyond", _DECIMAL, text((10000).to_bytes(2, "big")), "decimal_range")
    yield _property("date_last", _DATE, number(2932896), value="9999-12-31")
    yield _property("date_beyond", _DATE, number(2932897), "calendar_range")
    yield _property("date_first", _DATE, number(-719162), value="0001-01-01")
    yield _property("date_before", _DATE, number(-719163), "calendar_range")
    yield _at("time_last", 253402300799999, value="9999-12-31T23:59:59.999+00:00")
    yield _at("time_beyond", 253402300800000, "calendar_range")
    yield _at("time_first", -62135596800000, value="0001-01-01T00:00:00.000+00:00")
    yield _at("time_before", -62135596800001, "calendar_range")


def _contents() -> Iterator[Case]:
    yield _property("deep", _TREE, b"\x02" * 100_000 + b"\x00", "too_deep")
    yield _property("too_large", "string", text("x" * 40_000), "too_large")
    for name, content, reason in (
        ("json_cut", '{"a": ', "bad_json"),
        ("json_array", "[1]", "bad_json"),
        ("json_deep", '{"a":' * 100_000, "too_deep"),
    ):
        yield Case(name, _start(name) + text(content) + _NOTHING, reason, schema=_JSON)


def good(identifier: str, sequence: int, key: bytes = b"user-1") -> Made:
    """A good neighbour."""
    return Case(identifier, _start(identifier) + _NOTHING, schema=_PLAIN, key=key).made(sequence)


def userless(identifier: str, sequence: int, key: bytes = b"user-1") -> Made:
    """A record that is an event, of nobody."""
    return Case(identifier, _start(identifier, user="") + _NOTHING, schema=_PLAIN, key=key).made(sequence)


def schema_folder(folder: Path) -> Path:
    """Fill a folder with the published schemas and those of the cases."""
    made = folder / "schemas"
    shutil.copytree(AVRO, made)
    for at, case in enumerate(cases()):
        if case.schema is not None:
            (made / f"case-{at}.avsc").write_text(json.dumps(case.schema))
    return made
