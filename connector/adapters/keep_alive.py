"""Which hosts keep a connection open after a reply, as they said. Pure.

A host that closes it without having said so crosses with the next request, of which nobody then knows whether it was
taken. So one that does this again and again is given a connection for each request for a while.
"""

from collections import defaultdict

MOST_HANGUPS = 3
REST_S = 60.0


class _Host:
    """`fresh` says that a new connection was answered since a hang-up was last counted."""

    __slots__ = ("fresh", "hangups", "until_s")

    def __init__(self) -> None:
        self.fresh = True
        self.hangups = 0
        self.until_s = 0.0


class KeepAlive:
    """Counts hang-ups between which no connection served twice.

    All that were open when a host went down hang up at once; only one of them counts.
    """

    def __init__(self) -> None:
        self._hosts: defaultdict[str, _Host] = defaultdict(_Host)

    def trusted(self, host: str, now_s: float) -> bool:
        """Whether connections are to be used again."""
        return now_s >= self._hosts[host].until_s

    def answered(self, host: str, *, reused: bool) -> None:
        """Note a reply, on a connection that had served before or on a new one."""
        if reused:
            self._hosts[host].hangups = 0
        else:
            self._hosts[host].fresh = True

    def hung_up(self, host: str, now_s: float) -> None:
        """Note that a connection that had served before was closed on a request, or found closed for it."""
        state = self._hosts[host]
        if not state.fresh:
            return
        state.fresh = False
        state.hangups += 1
        if state.hangups >= MOST_HANGUPS:
            # The first one after the rest is enough.
            state.hangups = MOST_HANGUPS - 1
            state.until_s = now_s + REST_S
