"""``python -m ij_omero.scripting IDENTIFIER [DESCRIPTION]``: a wrapper's body, when the server's Python is another."""

from __future__ import annotations

import json
import os
import sys
from typing import Any

from ij_omero.errors import IJOmeroError


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
    if not os.environ.get("ICE_CONFIG"):
        sys.stderr.write(
            "error: ICE_CONFIG names no file with a job's settings; OMERO's processor sets it for the scripts that it "
            "runs, so launch one of those: omero script launch ID\n"
        )
        return 1
    from ij_omero.scripting import begin_job, end_job, run_job

    client: Any
    if len(arguments) > 1:
        described = json.loads(arguments[1])
        status = begin_job(arguments[0], described)
        if status is not None:
            return status
        from omero import scripts

        client = scripts.client("ij_omero")
        end_job(run_job(client, arguments[0], described))
    from ._declaring import declaring_client
    from ._described import plain_module
    from ._modules import find_wrapped_module

    try:
        module = find_wrapped_module(arguments[0])
    except IJOmeroError as error:
        sys.stderr.write(f"No module for ID: {arguments[0]}\n{error}\n")
        return 1
    client, described = declaring_client(module), plain_module(module)
    status = begin_job(module.identifier, described)
    if status is not None:
        client.closeSession()
        return status
    end_job(run_job(client, module.identifier, described))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
