"""The services by hand: `python -m tests.services start|status|stop [--nodes 3]`."""

import argparse
import os
import shutil
import sys
import tempfile
from pathlib import Path

from tests.services.jars import MissingError
from tests.services.kafka import Kafka
from tests.services.process import NotReadyError
from tests.services.registry import Registry


def main() -> int:
    """Start, show or stop a cluster and a registry in TEST_SERVICES_DATA."""
    parser = argparse.ArgumentParser(prog="python -m tests.services", description=__doc__)
    parser.add_argument("what", choices=["start", "status", "stop"])
    parser.add_argument("--nodes", type=int, choices=[1, 3], default=1)
    args = parser.parse_args()
    data = Path(os.environ.get("TEST_SERVICES_DATA") or Path(tempfile.gettempdir()) / "connector-test-services")
    kafka, registry = Kafka(data / "kafka", args.nodes), Registry(data / "registry")
    if args.what == "stop":
        registry.stop()
        kafka.stop()
        shutil.rmtree(data, ignore_errors=True)
        return 0
    if args.what == "start":
        try:
            kafka.start()
            registry.start()
        except (MissingError, NotReadyError) as exc:
            print(exc, file=sys.stderr)
            return 1
    for process in (*kafka.nodes.values(), registry.process):
        print(f"{process.name}: {f'pid {process.pid}' if process.pid else 'down'}, log {process.log}")
    if not kafka.running or registry.process.pid is None:
        return 1
    print(f"KAFKA_BOOTSTRAP_SERVERS={kafka.bootstrap}\nSCHEMA_REGISTRY_URL={registry.url}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
