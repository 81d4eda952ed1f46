"""The script of faults: how it is read, and what it draws."""

import random
from collections import Counter

import pytest

from connector.sandbox.faults import Fault, Quota, Trouble, chosen, draw, parse_faults


def drawn(text: str, vendor: str = "segment", path: str = "/v1/batch") -> Trouble:
    return draw(parse_faults(text), vendor, path, random.Random(1))


def test_a_script_is_read_part_by_part() -> None:
    assert parse_faults(" status=503@0.25, segment/v1:latency=10ms..50ms ,reset=after") == [
        Fault("status", (503,), share=0.25),
        Fault("latency", (0.01, 0.05), "..", vendor="segment", path="/v1"),
        Fault("reset", (), "after"),
    ]


UNREADABLE = """
    = status status=99 reset reset=never half=1 bad=2 latency latency=2s..1s latency=0s~1s quota=5 quota=0/1s
    quota=5/1s/bytes status=503@2 status=503@x storm a:b:c @0.5
"""


@pytest.mark.parametrize("text", UNREADABLE.split())
def test_what_cannot_be_meant_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        parse_faults(text)


@pytest.mark.parametrize(
    ("text", "trouble"),
    [
        ("status=503", Trouble(status=503, names=("status",))),
        ("limited", Trouble(status=429, retry_after_s=1.0, names=("limited",))),
        ("limited=7s", Trouble(status=429, retry_after_s=7.0, names=("limited",))),
        ("quota=5/2s", Trouble(quota=Quota(5, 2.0, False))),
        ("quota=5/2s/items", Trouble(quota=Quota(5, 2.0, True))),
        ("latency=30ms", Trouble(wait_s=0.03)),
        ("reset=head", Trouble(cut="head", names=("reset=head",))),
        ("hang", Trouble(cut="hang", names=("hang",))),
        ("half", Trouble(cut="half", names=("half",))),
        ("drip=5ms", Trouble(drip_s=0.005, names=("drip",))),
        ("bad=0.5", Trouble(bad_share=0.5)),
        ("status=500, reset=after", Trouble(status=500, names=("status",))),
        ("status=500@0, reset=after", Trouble(cut="after", names=("reset=after",))),
    ],
)
def test_each_fault_makes_its_trouble(text: str, trouble: Trouble) -> None:
    assert drawn(text) == trouble


def test_a_fault_concerns_its_own_vendor_and_path() -> None:
    assert drawn("segment:status=500").status == 500
    assert drawn("segment:status=500", vendor="other").status == 0
    assert drawn("segment/token:status=500").status == 0
    assert drawn("segment/token:status=500", path="/token").status == 500


def test_shares_come_out_and_one_fault_does_not_move_another() -> None:
    def failing(text: str) -> list[int]:
        chance, faults = random.Random(7), parse_faults(text)
        return [index for index in range(10_000) if draw(faults, "segment", "/", chance).status == 503]

    alone = failing("status=503@0.1, half@0")
    # 10,000 draws of 0.1: beyond four deviations of 30 once in 16,000 seeds.
    assert 880 < len(alone) < 1120
    assert alone == failing("status=503@0.1, half@0.9")


def test_latencies_are_spread_as_asked() -> None:
    def waits(text: str) -> list[float]:
        chance, faults = random.Random(7), parse_faults(text)
        return sorted(draw(faults, "segment", "/", chance).wait_s for _ in range(10_000))

    even = waits("latency=10ms..50ms")
    assert 0.01 <= min(even) <= max(even) <= 0.05
    assert even[5_000] == pytest.approx(0.03, rel=0.05)
    skewed = waits("latency=20ms~800ms")
    assert skewed[5_000] == pytest.approx(0.02, rel=0.1)
    assert skewed[9_900] == pytest.approx(0.8, rel=0.3)


def test_the_refused_items_are_the_same_on_every_attempt_and_as_many_as_asked() -> None:
    ids = [f"id-{number}" for number in range(10_000)]
    first = Counter(map(chosen(3, 0.1), ids))[True]
    assert 880 < first < 1120
    assert [chosen(3, 0.1)(ident) for ident in ids] == [chosen(3, 0.1)(ident) for ident in ids]
    assert not any(map(chosen(3, 0.0), ids)) and all(map(chosen(3, 1.0), ids))
