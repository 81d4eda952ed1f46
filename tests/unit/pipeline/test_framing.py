"""The head of a value. Heads by hand from the wire formats."""

import pytest

from connector.errors import Undecodable
from connector.pipeline.framing import Framed, confluent_head, frame, single_object_head


def test_a_confluent_head_names_an_id_in_big_endian() -> None:
    assert frame(b"\x00\x00\x00\x01\x02rest") == Framed(258, 5)
    assert confluent_head(258) == b"\x00\x00\x00\x01\x02"


def test_a_single_object_head_names_a_fingerprint() -> None:
    assert frame(b"\xc3\x0112345678rest") == Framed(b"12345678", 10)
    assert single_object_head(b"12345678") == b"\xc3\x0112345678"


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (b"", "empty"),
        (b"\x00", "framing"),
        (b"\x00\x00\x00\x01", "framing"),
        (b"\xc3\x011234567", "framing"),
        (b"\xc3", "not_avro"),
        (b"\xc3\x02123456789", "not_avro"),
        (b"\x01\x00\x00\x00\x01rest", "not_avro"),
        (b'{"name": "Order"}', "not_avro"),
    ],
)
def test_a_value_without_a_head_is_undecodable(value: bytes, reason: str) -> None:
    with pytest.raises(Undecodable) as caught:
        frame(value)
    assert caught.value.reason == reason
