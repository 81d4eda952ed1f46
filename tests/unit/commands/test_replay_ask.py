"""What an operator asks of a replay, and the group that remembers it."""

import pytest

from connector.commands.replay import Ask, Moment, parse_moment
from connector.pipeline.replay import Wanted


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2025-01-31T12:00:00Z", 1_738_324_800_000),
        ("2025-01-31T13:00:00+01:00", 1_738_324_800_000),
        ("2025-01-31T12:00:00.5", 1_738_324_800_500),
        ("2025-01-31", 1_738_281_600_000),
        ("24h", 1_738_324_800_000 - 86_400_000),
        ("90s", 1_738_324_800_000 - 90_000),
    ],
)
def test_a_moment_is_an_iso_time_or_a_duration_back(text: str, expected: int) -> None:
    assert parse_moment(text).ms(1_738_324_800_000) == expected


def test_what_is_no_moment_is_refused() -> None:
    with pytest.raises(ValueError, match="duration back"):
        parse_moment("yesterday")


def test_an_ask_says_what_is_wanted() -> None:
    ask = Ask("segment", frozenset({"expired"}), frozenset({"orders"}), Moment(back_s=60.0), Moment(at_ms=99_000))
    assert ask.wanted(100_000) == Wanted("segment", frozenset({"expired"}), frozenset({"orders"}), 40_000, 99_000)


def test_the_same_filters_have_the_same_group_and_others_another() -> None:
    asks = [
        Ask("segment"),
        Ask("segment", frozenset({"expired"})),
        Ask("segment", topics=frozenset({"expired"})),
        Ask("segment", since=Moment(at_ms=5)),
        Ask("segment", until=Moment(at_ms=5)),
        Ask("segment", since=Moment(back_s=5.0)),
    ]
    groups = [ask.group("connector.segment") for ask in asks]
    assert len(set(groups)) == len(groups)
    assert all(group.startswith("connector.segment.replay.") for group in groups)
    one = Ask("segment", frozenset({"expired", "refused", "too_old"})).group("g")
    assert one == Ask("segment", frozenset({"too_old", "expired", "refused"}), rate_per_s=5.0).group("g")
