import asyncio

import pytest

from tests.simulation.loop import Host, Stuck, VirtualLoop


def test_waiting_costs_nothing_and_moves_the_time() -> None:
    loop = VirtualLoop()
    loop.run_until_complete(asyncio.sleep(3600.0))
    assert loop.time() == pytest.approx(3600.0, abs=0.001)
    loop.close()


def test_timers_run_in_the_order_of_their_times() -> None:
    loop = VirtualLoop()
    seen: list[float] = []
    for delay_s in (3.0, 1.0, 2.0):
        loop.call_later(delay_s, seen.append, delay_s)
    loop.run_until_complete(asyncio.sleep(5.0))
    assert seen == [1.0, 2.0, 3.0]
    loop.close()


def test_a_wait_that_nobody_ends_is_an_error() -> None:
    loop = VirtualLoop()
    with pytest.raises(Stuck, match="nothing is scheduled"):
        loop.run_until_complete(loop.create_future())
    loop.close()


def test_a_loop_that_never_waits_is_an_error() -> None:
    def spin() -> None:
        loop.call_soon(spin)

    loop = VirtualLoop()
    with pytest.raises(Stuck, match="without a moment passing"):
        loop.call_soon(spin)
        loop.run_until_complete(asyncio.sleep(1.0))
    loop.close()


async def _tick(loop: VirtualLoop, seen: list[float]) -> None:
    while True:
        await asyncio.sleep(1.0)
        seen.append(round(loop.time(), 3))


def test_a_frozen_process_stands_still_and_goes_on_when_thawed() -> None:
    loop, host = VirtualLoop(), Host("a")
    seen: list[float] = []
    loop.create_task(_tick(loop, seen), context=host.context)
    loop.call_later(2.5, setattr, host, "state", "frozen")
    loop.call_later(7.5, loop.thaw, host)
    loop.run_until_complete(asyncio.sleep(9.0))
    # The tick of second 3 falls into the frost and runs at 7.5; the next comes a second later.
    assert seen == [1.0, 2.0, 7.5, 8.5]
    loop.bury([host])
    loop.close()


def test_a_killed_process_never_runs_again_and_what_it_started_dies_too() -> None:
    async def parent(loop: VirtualLoop, seen: list[float]) -> None:
        child = asyncio.create_task(_tick(loop, seen))
        await child

    loop, host = VirtualLoop(), Host("a")
    seen: list[float] = []
    loop.create_task(parent(loop, seen), context=host.context)
    loop.call_later(2.5, setattr, host, "state", "dead")
    loop.run_until_complete(asyncio.sleep(9.0))
    assert seen == [1.0, 2.0]
    loop.bury([host])
    loop.close()
