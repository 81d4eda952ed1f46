"""The services' programs, fetched once with Maven into a cache directory."""

import hashlib
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from fcntl import LOCK_EX, flock
from pathlib import Path

_HERE = Path(__file__).parent
_JAVA = 17


class MissingError(Exception):
    """Something these services need is not on this machine, or could not be fetched."""


def cache_dir() -> Path:
    """Return TEST_SERVICES_CACHE, else a directory of ours in the user's cache."""
    if own := os.environ.get("TEST_SERVICES_CACHE"):
        return Path(own)
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home) / "kafka-vendor-connector"


def kafka_jars() -> Path:
    """Return the directory of the broker's jars."""
    return _fetched("kafka", "dependency:copy-dependencies", "kafka_2.13-*.jar")


def registry_jar() -> Path:
    """Return the registry's runnable jar."""
    return next(_fetched("registry", "dependency:unpack", "*-runner.jar").glob("*-runner.jar"))


def need_java() -> None:
    """Raise MissingError unless a Java that runs these services is there."""
    try:
        text = subprocess.run(["java", "-version"], capture_output=True, text=True, timeout=60, check=True).stderr
    except (OSError, subprocess.SubprocessError) as exc:
        raise MissingError(f"Java {_JAVA} is needed and `java -version` did not run") from exc
    found = re.search(r'version "(\d+)', text)
    if found is None or int(found[1]) < _JAVA:
        raise MissingError(f"Java {_JAVA} is needed, found {found[1] if found else 'an unknown version'}")


def _fetched(name: str, goal: str, mark: str) -> Path:
    need_java()
    pom = _HERE / f"{name}-pom.xml"
    target = cache_dir() / f"{name}-{hashlib.sha256(pom.read_bytes()).hexdigest()[:12]}"
    if target.is_dir():
        return target
    if shutil.which("mvn") is None:
        raise MissingError(f"Maven is needed once, to fetch {name}")
    target.parent.mkdir(parents=True, exist_ok=True)
    with _locked(target.parent / f"{name}.lock"):
        if not target.is_dir():
            _fetch(pom, goal, mark, target)
    return target


def _fetch(pom: Path, goal: str, mark: str, target: Path) -> None:
    fresh = target.with_suffix(".new")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir()
    # -U: Maven remembers a failed download as absent for a day.
    command = ["mvn", "-B", "-q", "-U", "-f", str(pom), goal, f"-Dinto={fresh}"]
    try:
        ended = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    except subprocess.TimeoutExpired as exc:
        raise MissingError(f"Maven did not fetch {pom.name} within 10 minutes") from exc
    if ended.returncode != 0 or not any(fresh.glob(mark)):
        raise MissingError(f"Maven could not fetch what {pom.name} names:\n{(ended.stdout + ended.stderr)[-2000:]}")
    fresh.rename(target)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        flock(file, LOCK_EX)
        yield
