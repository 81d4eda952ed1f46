"""A schema registry with Confluent's REST interface (Apicurio, ccompat v7) on loopback, kept in memory."""

import urllib.error
import urllib.request
from pathlib import Path

from tests.services.jars import registry_jar
from tests.services.process import Process, free_ports


class Registry:
    """A registry in `folder`. It forgets its schemas at stop."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        port = folder / "port"
        self._port = int(port.read_text()) if port.exists() else free_ports(1)[0]
        self.process = Process("registry", folder, self._ready)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}/apis/ccompat/v7"

    def start(self) -> "Registry":
        """Start it unless it runs, and wait until it answers. Raises: MissingError, NotReadyError."""
        jar = registry_jar()
        self._folder.mkdir(parents=True, exist_ok=True)
        (self._folder / "port").write_text(str(self._port))
        scratch = self._folder / "scratch"
        scratch.mkdir(exist_ok=True)
        settings = [
            f"-Dquarkus.http.port={self._port}",
            "-Dquarkus.http.host=127.0.0.1",
            "-Dquarkus.http.access-log.enabled=false",
            "-Dapicurio.datasource.jdbc.initial-size=2",
            "-Dapicurio.datasource.jdbc.min-size=2",
            "-Djava.util.logging.manager=org.jboss.logmanager.LogManager",
            f"-Djava.io.tmpdir={scratch}",
        ]
        self.process.start(
            ["java", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", *settings, "-jar", str(jar)]
        )
        self.process.wait()
        return self

    def stop(self) -> None:
        self.process.stop()

    def _ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/subjects", timeout=5) as reply:
                return bool(reply.status == 200)
        except (urllib.error.URLError, OSError):
            return False
