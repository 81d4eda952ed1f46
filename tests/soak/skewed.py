"""`connector run` with a wall clock that is as wrong as a file says: `python -m tests.soak.skewed FILE`."""

import os
import sys
from pathlib import Path

from connector.__main__ import in_loop
from connector.adapters.clock import SystemClock
from connector.app import read_plan
from connector.commands.run import run
from connector.observe.logs import configure


class SkewedClock(SystemClock):
    """The system's, but its wall time is so many milliseconds off as the file says at that moment."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def now_ms(self) -> int:
        return super().now_ms() + int(self._file.read_text() or 0)


if __name__ == "__main__":
    plan = read_plan(os.environ)
    configure(plan.settings.connector.log_level, plan.settings.connector.log_format, sys.stderr)
    in_loop(run(plan, SkewedClock(Path(sys.argv[1]))))
