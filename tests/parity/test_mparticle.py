"""What mParticle's SDK refuses and its vendor's schema, or the way of Avro, allows: we deliver it."""

from pathlib import Path

import msgspec
import pytest

from tests.parity.capture import Capture
from tests.parity.mparticle import VENDOR
from tests.parity.play import play
from tests.parity.report import out_of_scope

FILE = Path(__file__).parent / "captures" / "mparticle.json"
REFUSED_BY_SDK = [
    capture
    for capture in VENDOR.captures(msgspec.json.decode(FILE.read_bytes()))
    if capture.subject.group == "refused" and out_of_scope(VENDOR, capture) is not None
]


@pytest.mark.parametrize("capture", REFUSED_BY_SDK, ids=lambda capture: capture.name)
def test_what_only_the_sdk_refuses_is_delivered(capture: Capture) -> None:
    assert play(VENDOR.name, VENDOR.scenario(capture.subject)).ends == {"delivered": 1}


def test_the_table_of_refusals_and_reactions_is_whole() -> None:
    captures = VENDOR.captures(msgspec.json.decode(FILE.read_bytes()))
    groups = [capture.subject.group for capture in captures]
    assert [groups.count(group) for group in ("captured", "refused", "reaction")] == [40, 39, 36]
    assert len(REFUSED_BY_SDK) == 9
