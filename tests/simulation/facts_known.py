"""What records must say of their users when they are sent, and what the store must hold of those that are done."""

from collections import Counter

from tests.simulation.facts import forgets, profile_of
from tests.simulation.records import Fate, Tenure
from tests.simulation.scenario import Scenario
from tests.simulation.sink import Entry
from tests.simulation.story import Story


class Facts:
    """Checks facts against the truth.

    `unanswered` counts by user the questions that came to nothing. Of what the store was told: `user_of` records by
    number, and the users it was to forget.
    """

    def __init__(self, scenario: Scenario, story: Story) -> None:
        self.unanswered: Counter[str] = Counter()
        self.user_of: dict[int, str] = {}
        self.forgotten: set[str] = set()
        self._scenario = scenario
        self._informed = scenario.informed
        self._story = story

    def kept(self, user: str, value: bytes | None) -> None:
        """Note what the store was told."""
        if value is None:
            self.forgotten.add(user)
        else:
            self.user_of[int(value)] = user

    def check(self, fate: Fate, tenure: Tenure | None, entry: Entry) -> None:
        """Check what a payload says of its user as it is sent."""
        asked = self._informed.profile_s is not None
        if entry.profile != (profile_of(fate.user) if asked else None):
            self._story.violated("lookup", f"{fate.place} is sent with the profile {entry.profile} of {fate.user}")
        if entry.after is not None and self.user_of.get(entry.after) != fate.user:
            self._story.violated("store", f"{fate.place} of {fate.user} is sent after {entry.after} of another user")
        if tenure is not None and self._chains and fate.record.key is not None:
            before = self._before(fate, tenure)
            if before is not None and entry.after != (None if forgets(before.number) else before.number):
                self._story.violated("store", f"{fate.place} is sent after {entry.after}, not after {before.place}")

    def check_kept(self, fate: Fate) -> None:
        """Check that the store holds what a record that is committed had it keep."""
        made = fate.kind == "unwanted" if fate.skipped else bool(fate.roles) and all(map(fate.taken.get, fate.roles))
        if self._informed.store != "wait" or not made or fate.gone or fate.letters:
            return
        if not (fate.user in self.forgotten if forgets(fate.number) else fate.number in self.user_of):
            self._story.violated("store", f"{fate.place} is committed, and the store was never told of it")

    def asks_of(self, fate: Fate) -> bool:
        """Whether a record that will be skipped may have to wait for the store first."""
        return fate.kind == "unwanted" and self._informed.store != "none"

    @property
    def _chains(self) -> bool:
        """Whether each record is translated once, after those of its user, by the only process that writes of them."""
        scenario = self._scenario
        return scenario.calm and self._informed.store != "none" and scenario.options.order_by in ("key", "user")

    @staticmethod
    def _before(fate: Fate, tenure: Tenure) -> Fate | None:
        """Return the record of the same user that its holder translated last before it."""
        for other in reversed(tenure.log):
            offset = other.record.offset
            if tenure.start <= offset < fate.record.offset and other.user == fate.user and other.translated:
                return other
        return None
