"""The command group: which commands there are, and how errors and interrupts end the process."""

from __future__ import annotations

import contextlib
import importlib
import logging
import signal
import sys
import threading
import traceback
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from ij_omero import __version__
from ij_omero.errors import IJOmeroError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

EXIT_OK = 0
EXIT_ERROR = 1
EXIT_USAGE = 2
EXIT_NOT_RUNNING = 3
EXIT_INTERNAL = 70
EXIT_INTERRUPTED = 130
EXIT_BROKEN_PIPE = 141
EXIT_TERMINATED = 143

# Command -> module that holds it; a module is imported when its command is used (or listed by --help).
_COMMANDS = {
    "demo": "_demo",
    "info": "_pictures",
    "list": "_pictures",
    "import": "_pictures",
    "export": "_pictures",
    "view": "_view",
    "crop": "_crop",
    "imgdata": "_crop",
    "serve": "_serve",
    "omeis": "_omeis",
    "dvid": "_dvid",
    "run": "_run",
    "modules": "_run",
    "edits": "_edits",
    "scripts": "_scripts",
    "server": "_server",
    "setup": "_setup",
    "doctor": "_doctor",
}


@dataclass
class Settings:
    """What holds for the whole call."""

    debug: bool = False


class _Group(click.Group):
    """Finds its commands by name, in the order in which they are listed above."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        module = importlib.import_module(f"{__package__}.{_COMMANDS[cmd_name]}")
        command = getattr(module, f"{cmd_name}_command")
        if not isinstance(command, click.Command):
            raise TypeError(f"{cmd_name}_command is no command")
        return command


def _set_debug(ctx: click.Context, _: click.Parameter, value: bool) -> None:
    if value:
        ctx.ensure_object(Settings).debug = True
        logging.getLogger("ij_omero").setLevel(logging.DEBUG)


def debug_option() -> click.Option:
    """Make the option --debug, which every command takes, before or after its own name."""
    return click.Option(
        ["--debug"],
        is_flag=True,
        expose_value=False,
        callback=_set_debug,
        help="Log what happens, and show where an error came from.",
    )


class _Messages(logging.Handler):
    """Shows this package's warnings, or all that anybody logs with --debug."""

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self._settings = settings

    def emit(self, record: logging.LogRecord) -> None:
        """Write one line to standard error."""
        own = record.name.startswith("ij_omero")
        if self._settings.debug:
            click.echo(f"{record.relativeCreated:7.0f} ms  {record.name}  {record.getMessage()}", err=True)
        elif own and record.levelno >= logging.WARNING:
            click.echo(f"{record.levelname.lower()}: {record.getMessage()}", err=True)


@contextlib.contextmanager
def _messages(settings: Settings) -> Iterator[None]:
    """Show log messages in the command's own way while it runs."""
    handler, own = _Messages(settings), logging.getLogger("ij_omero")
    level = own.level
    logging.getLogger().addHandler(handler)
    try:
        yield
    finally:
        logging.getLogger().removeHandler(handler)
        own.setLevel(level)


class Command(click.Command):
    """A command with --debug."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params.append(debug_option())


@click.group(
    cls=_Group,
    params=[debug_option()],
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, package_name="ij-omero", message="ij-omero %(version)s")
def app() -> None:
    """Open OMERO images in ImageJ, run ImageJ modules on them, save what comes out as new images.

    An ADDRESS is omero://host/image/ID, or the path of an image in a local store, such as ~/images/3.ome.zarr.
    A STORE is omero://host, or a folder.
    """


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code.

    Parameters
    ----------
    arguments
        What stands behind the program's name; None takes them from `sys.argv`.

    Returns
    -------
    int
        0 done; 1 an error that this package foresees; 2 wrong usage; 3 what was asked after does not run;
        70 an error of ij_omero itself; 130 interrupted; 141 the reader of the output went away; 143 told to end
        (SIGTERM).
    """
    settings = Settings()
    with _messages(settings), _termination():
        return _run(settings, arguments)


class _Terminated(BaseException):
    """The system or another program told this one to end."""


@contextlib.contextmanager
def _termination() -> Iterator[None]:
    """Let SIGTERM undo what is half-made, as Ctrl-C does; a second one ends the process at once."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def end(number: int, frame: object) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        raise _Terminated

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _run(settings: Settings, arguments: Sequence[str] | None) -> int:
    try:
        result = app.main(
            None if arguments is None else list(arguments), prog_name="ij-omero", standalone_mode=False, obj=settings
        )
        sys.stdout.flush()
        return result if isinstance(result, int) else EXIT_OK
    except click.ClickException as error:
        _say(f"error: {_one_line_of_click(error)}", settings)
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        _say("interrupted", settings)
        return EXIT_INTERRUPTED
    except _Terminated:
        _say("terminated", settings)
        return EXIT_TERMINATED
    except SystemExit as end:
        # Click ends so when nobody reads standard output any more; it has quieted the flush at exit already.
        if type(sys.stdout).__name__.endswith("PacifyFlushWrapper"):
            return EXIT_BROKEN_PIPE
        return end.code if isinstance(end.code, int) else EXIT_ERROR
    except (IJOmeroError, OSError) as error:
        _say(f"error: {_one_line(error)}", settings)
        return EXIT_ERROR
    except Exception as error:  # the last resort: a fault of this package, said as such
        _say(f"error: unexpected {type(error).__name__}: {_one_line(error)}; --debug shows where", settings)
        return EXIT_INTERNAL


def _one_line_of_click(error: click.ClickException) -> str:
    """Say a usage error in click's words, and where to read on."""
    message = " ".join(error.format_message().split())
    command = error.ctx.command_path if isinstance(error, click.UsageError) and error.ctx else None
    return f"{message.rstrip('.')} (see {command} --help)" if command else message


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def _say(message: str, settings: Settings) -> None:
    if settings.debug:
        traceback.print_exc()
    click.echo(message, err=True)
