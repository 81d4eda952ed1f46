"""Where the Avro data of a record's value begins, and what names its schema. Pure."""

from msgspec import Struct

from connector.errors import Undecodable

CONFLUENT_BYTES = 5
SINGLE_OBJECT_BYTES = 10
_SINGLE_OBJECT = b"\xc3\x01"


class Framed(Struct, frozen=True):
    """The schema's id, or the eight bytes of its CRC-64-AVRO fingerprint, and where the data begins."""

    schema: int | bytes
    start: int


def frame(value: bytes) -> Framed:
    """Read the head of a value.

    Shape:  00 and a big-endian id of four bytes (Confluent), or C3 01 and a little-endian fingerprint (single object).
    Raises: Undecodable: empty, framing (cut off within the head), not_avro.
    """
    if value[:1] == b"\x00":
        if len(value) < CONFLUENT_BYTES:
            raise Undecodable("framing")
        return Framed(int.from_bytes(value[1:CONFLUENT_BYTES], "big"), CONFLUENT_BYTES)
    if value[:2] == _SINGLE_OBJECT:
        if len(value) < SINGLE_OBJECT_BYTES:
            raise Undecodable("framing")
        return Framed(value[2:SINGLE_OBJECT_BYTES], SINGLE_OBJECT_BYTES)
    raise Undecodable("not_avro" if value else "empty")


def confluent_head(schema: int) -> bytes:
    """Render the head that names a schema id."""
    return b"\x00" + schema.to_bytes(CONFLUENT_BYTES - 1, "big")


def single_object_head(fingerprint: bytes) -> bytes:
    """Render the head that names a schema by its fingerprint."""
    return _SINGLE_OBJECT + fingerprint
