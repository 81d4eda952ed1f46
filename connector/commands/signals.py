"""What SIGTERM and Ctrl-C mean to a command that has work in flight."""

import asyncio
import os
import signal
from collections.abc import Callable


def on_signals(stop: Callable[[], None]) -> None:
    """Have the first SIGTERM or SIGINT call `stop`, and the second end the process where it stands."""
    asked = False

    def received(number: signal.Signals) -> None:
        nonlocal asked
        if asked:
            os._exit(128 + number)
        asked = True
        stop()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, received, number)
