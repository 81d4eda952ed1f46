"""Rows of a wall clock that steps by a day while a wait is under way."""

import asyncio
import json
import sys
import time
from datetime import datetime
from pathlib import Path

import pytest

from tests.doubles.kafka import MockCluster
from tests.doubles.vendor import Reply, Request, Vendor
from tests.integration.campaign import Messages
from tests.integration.oracle import segment
from tests.integration.process import Connector, until
from tests.integration.trial import on_mock
from tests.soak.conftest import Tell
from tests.soak.stream import held, more, running, steady

DAY_S = 24 * 3600
ASKED_S = 10
# What was on its way when the first refusal was answered.
ON_ITS_WAY_S = 0.25


class Refusing:
    """Asks for a wait while `refusing`, in seconds or by a date of its own clock."""

    def __init__(self, dated: bool) -> None:
        self.refusing = False
        self.refused_s: list[float] = []
        self._dated = dated

    def __call__(self, request: Request, messages: Messages) -> Reply | None:
        if not self.refusing:
            return None
        self.refused_s.append(request.received_s)
        return Reply(503, dated() if self._dated else {"Retry-After": str(ASKED_S)})


def dated() -> dict[str, str]:
    """A wait in the vendor's own time, which is the true one."""
    form = "%a, %d %b %Y %H:%M:%S GMT"
    now_s = time.time()
    return {
        "Date": time.strftime(form, time.gmtime(now_s)),
        "Retry-After": time.strftime(form, time.gmtime(now_s + ASKED_S)),
    }


@pytest.mark.row(
    "the wall clock steps by a day while a wait is under way",
    bound=f"the wait stays {ASKED_S} s within 10%; 0 missing, 0 duplicates; nothing too old where it goes back",
)
@pytest.mark.parametrize("step_s", [DAY_S, -DAY_S], ids=["forth", "back"])
@pytest.mark.parametrize("by_date", [False, True], ids=["in seconds", "by date"])
@pytest.mark.shows("D8")
def test_a_clock_that_steps_changes_no_wait(
    mock: MockCluster, tmp_path: Path, tell: Tell, step_s: int, by_date: bool
) -> None:
    async def run() -> None:
        trial, refusing, skew = on_mock(mock), Refusing(by_date), tmp_path / "skew"
        skew.write_text("0")
        async with Vendor(segment(trial.ledger, refusing)) as vendor:
            # Forth, all that was made before the step is a day old, and an age is asked for by nobody.
            age = {"CONNECTOR_MAX_AGE": "1h"} if step_s < 0 else {}
            command = (sys.executable, "-m", "tests.soak.skewed", str(skew))
            connector = Connector(trial.env(vendor, **age), tmp_path, command)
            with trial.watch() as watch:
                async with running(connector):
                    async with steady(trial, 200):
                        await more(trial.ledger, 500, "a steady flow")
                        refusing.refusing = True
                        await until(lambda: refusing.refused_s, 20, "a wait asked for")
                        refusing.refusing = False
                        skew.write_text(str(step_s * 1000))
                        asked_s = refusing.refused_s[0]
                        later = asked_s + ON_ITS_WAY_S
                        await until(lambda: vendor.received[-1].received_s > later, 60, "the next request")
                        waited_s = next(one.received_s for one in vendor.received if one.received_s > later) - asked_s
                        await more(trial.ledger, 1000, "a flow after the step")
                        ages_s = await connector.total("connector_oldest_unresolved_age_seconds")
                    await trial.settled()
        sent = datetime.fromisoformat(json.loads(vendor.received[-1].body)["sentAt"]).timestamp()
        tell(
            **held(trial, watch, connector),
            waited=f"{waited_s:.2f} s",
            sent_at_off=f"{(sent - time.time()) / 3600:.1f} h",
        )
        assert trial.letters() == []
        assert abs(waited_s - ASKED_S) <= 0.1 * ASKED_S
        assert abs(sent - time.time() - step_s) < 60, "what is sent is dated by the clock that there is"
        assert ages_s >= 0

    asyncio.run(run())
