"""What runs in processes of its own, with omero-py: run by path, never imported.

_inside_omero.py register LOCATOR PROXY TYPE ...    makes objects known to the IceGrid registry
_inside_omero.py processor|tables [Ice arguments]   one of OMERO's Python services
_inside_omero.py login PORT SECONDS                 ends when root can log in (password on standard input)
_inside_omero.py cli [arguments]                    the omero command line, for the system's root as well
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

READY_LOG = "IJ_OMERO_BLITZ_LOG"


def register(locator: str, *pairs: str) -> None:
    """Add objects to the registry that no IceGrid node would add."""
    import Ice
    import IceGrid

    communicator = Ice.initialize([f"--Ice.Default.Locator={locator}", "--Ice.IPv6=0"])
    try:
        registry = IceGrid.RegistryPrx.checkedCast(communicator.stringToProxy("IceGrid/Registry"))
        session = registry.createAdminSession("any", "")
        for proxy, kind in zip(pairs[::2], pairs[1::2], strict=True):
            added = communicator.stringToProxy(proxy)
            try:
                session.getAdmin().addObjectWithType(added, kind)
            except IceGrid.ObjectExistsException:
                session.getAdmin().updateObject(added)
        session.destroy()
    finally:
        communicator.destroy()


def wait_for_blitz() -> None:
    """Wait until Blitz's log says that it is ready; what is slow here, the imports, went on meanwhile.

    Ready is when its repositories are active too: Tables ends at once where it looks for them too early.
    """
    log, end = os.environ.get(READY_LOG), time.monotonic() + 300
    while log and time.monotonic() < end:
        try:
            text = Path(log).read_text(errors="replace")
        except OSError:
            text = ""
        if "now accepting connections" in text and text.count("Repository now active") >= text.count(
            "Initializing repository in"
        ):
            return
        time.sleep(0.1)


def serve(kind: str) -> int:
    """Run the processor or the tables service."""
    import Ice
    import omero.util

    if kind == "processor":
        from omero.processor import ProcessorI as Servant
    else:
        from omero.tables import TablesI as Servant
    wait_for_blitz()
    name = kind.capitalize()
    return int(omero.util.Server(Servant, f"{name}Adapter", Ice.Identity(f"{name}-0", "")).main(sys.argv))


def login(port: str, seconds: str) -> None:
    """Log in as root, trying again until time is up, and write the server's version."""
    import Glacier2
    import Ice
    import omero.clients

    password = sys.stdin.readline().rstrip("\n")
    wait_for_blitz()
    end = time.monotonic() + float(seconds)
    while True:
        client = omero.client("127.0.0.1", int(port))
        try:
            client.createSession("root", password)
            sys.stdout.write(client.sf.getConfigService().getVersion())
            client.closeSession()
            return
        except Glacier2.PermissionDeniedException as error:
            raise SystemExit(f"root may not log in: {error.reason}") from None
        except (Ice.Exception, omero.ClientError) as error:
            if time.monotonic() > end:
                raise SystemExit(f"root cannot log in: {error}") from None
            time.sleep(0.2)
        finally:
            client.__del__()


def command_line(arguments: list[str]) -> int:
    """Run the omero command line; its own program refuses the system's root."""
    from omero.cli import argv

    sys.argv = ["omero", *arguments]  # messages name the program by it
    return int(argv(sys.argv) or 0)


def main() -> int:
    """Do what the first argument says."""
    del sys.path[0]  # this folder: its modules are private to another package
    what, arguments = sys.argv[1], sys.argv[2:]
    if what == "register":
        register(*arguments)
    elif what == "login":
        login(*arguments)
    elif what == "cli":
        return command_line(arguments)
    else:
        del sys.argv[1]
        return serve(what)
    return 0


if __name__ == "__main__":
    sys.exit(main())
