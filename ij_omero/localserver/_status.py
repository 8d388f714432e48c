"""What is known of a local server."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal


@dataclass(frozen=True)
class ServerStatus:
    """What runs of a local OMERO.server, and where.

    Attributes
    ----------
    state
        ``"up"``: every process runs and the port answers; ``"down"``: nothing runs; ``"partial"``: anything between,
        which the next `LocalServer.up` repairs.
    host, port
        Where clients connect; the port is None where the server was never started.
    home
        The folder that holds everything of this server.
    omerodir
        Its OMERODIR, with ``lib/scripts``.
    data_folder, log_folder
        Pixels, files and pyramids; the logs of all processes.
    processes
        Name: pid, None where it should run and does not.
    web_address
        Of its OMERO.web, None where that does not run.
    """

    state: Literal["up", "partial", "down"]
    host: str
    port: int | None
    home: Path
    omerodir: Path
    data_folder: Path
    log_folder: Path
    processes: dict[str, int | None]
    web_address: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Give the same as plain values that JSON knows."""
        return {name: str(value) if isinstance(value, Path) else value for name, value in asdict(self).items()}
