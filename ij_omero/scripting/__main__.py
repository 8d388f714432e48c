"""``python -m ij_omero.scripting IDENTIFIER [DESCRIPTION]``: a wrapper's body, when the server's Python is another."""

from __future__ import annotations

import json
import sys
from typing import Any


def main(arguments: list[str]) -> int:
    """Join the session that ``ICE_CONFIG`` names and run the module; or be a warm worker."""
    if arguments == ["--worker"]:
        from ij_omero.scripting._worker import work

        return work()
    if len(arguments) not in (1, 2):
        sys.stderr.write(
            "usage: python -m ij_omero.scripting IDENTIFIER [DESCRIPTION], where ICE_CONFIG names a job's settings\n"
        )
        return 2
    from omero import scripts

    from ij_omero.scripting import run_job

    client: Any = scripts.client("ij_omero")
    return run_job(client, arguments[0], json.loads(arguments[1]) if len(arguments) > 1 else None)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
