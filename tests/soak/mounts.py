"""Mounts that a connector alone sees, such as a disk that is full, fills up, or is read-only. Not pure."""

import shlex
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import pytest

from tests.integration.process import RUN

# Some room for a database, which is used up after some hundred values.
ROOM_KIB = 96

Disk = Literal["full", "fills up", "read-only"]

disks = pytest.mark.parametrize("disk", ["full", "fills up", "read-only"])


def on_disk(folder: Path, disk: Disk) -> Sequence[str]:
    """Return a command that runs a connector for which `folder` is such a disk."""
    folder.mkdir()
    where = shlex.quote(str(folder))
    mount = f"mount -t tmpfs -o size={ROOM_KIB}k{',ro' if disk == 'read-only' else ''} disk {where}"
    fill = f"head -c {ROOM_KIB}k /dev/zero > {where}/content" if disk == "full" else "true"
    return mounted(f"{mount} && {fill}")


def mounted(script: str) -> Sequence[str]:
    """Return a command that runs a connector once a shell has mounted what it needs; skip where nobody may."""
    own = ["unshare", "--map-root-user", "--mount"]
    if subprocess.run([*own, "true"], capture_output=True, check=False).returncode:
        pytest.skip("nobody may mount anything of their own here")
    return [*own, "sh", "-c", f"{script} && exec {shlex.join(RUN)}"]
