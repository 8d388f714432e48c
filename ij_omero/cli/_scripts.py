"""ImageJ modules as OMERO scripts: scripts generate, list, check, remove."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import click

from ij_omero.errors import InvalidInputError, ScriptError

from ._app import EXIT_ERROR, EXIT_OK, Command
from ._output import json_option, print_json, print_table
from ._scripts_worker import worker_command

if TYPE_CHECKING:
    from ij_omero.scripting import InstallReport

# The codes of imagej-omero's script generator.
EXIT_NO_FOLDER = 1
EXIT_EXISTS = 2
EXIT_NOT_WRITABLE = 3
# Of this package: all else was done.
EXIT_LEFT_OUT = 4

_omerodir = click.argument("omerodir", required=False, metavar="[OMERODIR]")
_namespace = click.option("--namespace", default="imagej", show_default=True, help="The folder below lib/scripts.")
_dry_run = click.option("--dry-run", is_flag=True, help="Only say what would be done.")


@click.group("scripts")
def scripts_command() -> None:
    """Put ImageJ's modules into an OMERO.server as scripts, and take them out again.

    OMERODIR is the server's folder; without it, the one that $OMERODIR names. OMERO lists new scripts at once, without
    a restart.
    """


def _folder(given: str | None) -> str:
    folder = given or os.environ.get("OMERODIR")
    if not folder:
        raise InvalidInputError("which OMERO.server? Give its folder (the one with etc, lib and var), or set OMERODIR")
    return folder


scripts_command.add_command(worker_command)


@scripts_command.command("generate", cls=Command)
@_omerodir
@_namespace
@click.option(
    "--module", "modules", multiple=True, metavar="NAME", help="Only this module; may be given several times."
)
@click.option(
    "--scripts",
    "folders",
    multiple=True,
    metavar="DIR",
    help="The macros, #@ scripts and OMERO scripts in this folder; may be repeated. See also: update.",
)
@click.option("--all", "include_all", is_flag=True, help="Also modules that say they need a screen.")
@click.option("--force", is_flag=True, help="Begin anew: delete what was generated before.")
@click.option(
    "--imagej",
    metavar="DIR",
    help="The ImageJ or Fiji folder that the scripts use.  [default: the OMERODIR's, else the one used here]",
)
@click.option(
    "--warm",
    type=float,
    metavar="SECONDS",
    help="Keep ImageJ for so long after a job, for the next.  [default: no]",
)
@click.option("--install-imagej", is_flag=True, help="First put an ImageJ into OMERODIR/lib, unless one is there.")
@_dry_run
@json_option
def generate_command(
    omerodir: str | None,
    namespace: str,
    imagej: str | None,
    warm: float | None,
    install_imagej: bool,
    modules: tuple[str, ...],
    folders: tuple[str, ...],
    include_all: bool,
    force: bool,
    dry_run: bool,
    as_json: bool,
) -> int:
    """Write a script for every module of ImageJ, or for those that are named.

    Exit codes: 1 no OMERODIR, 2 the folder exists and is something else's, 3 it cannot be written, 4 files of a DIR
    could not be taken (all else was done).
    """
    from ij_omero import scripting
    from ij_omero.imagej import make_class_archive
    from ij_omero.scripting import ScriptsExistError, ScriptsFolderNotFoundError, ScriptsFolderNotWritableError

    folder = _folder(omerodir)
    if not as_json:
        click.echo(f"{time.ctime()}: generating scripts")
    try:
        if install_imagej and imagej is None:
            made = scripting.install_imagej(folder, dry_run=dry_run)
            if not as_json:
                done = f"{made} {'would be ' * dry_run}installed." if made else "already exists; skipping."
                click.echo(f"ImageJ installation {done}")
        found = scripting.existing_imagej(imagej) if imagej else scripting.server_imagej(folder)
        report = scripting.install_scripts(
            folder,
            list(modules) or None,
            folders=folders,
            environment={
                **scripting.server_environment(),
                **found,
                **({"IJ_OMERO_WARM": f"{warm:g}"} if warm else {}),
            },
            namespace=namespace,
            include_interactive=include_all,
            force=force,
            dry_run=dry_run,
        )
        if not (dry_run or found):
            make_class_archive()
    except (ScriptsFolderNotFoundError, ScriptsExistError, ScriptsFolderNotWritableError) as error:
        click.echo(str(error), err=True)
        codes = {ScriptsFolderNotFoundError: EXIT_NO_FOLDER, ScriptsExistError: EXIT_EXISTS}
        return codes.get(type(error), EXIT_NOT_WRITABLE)
    _print_report(report, as_json, dry_run)
    if not as_json:
        click.echo(f"{time.ctime()}: generation completed")
        click.echo(f"{len(report.scripts)} scripts {'would be ' * dry_run}generated.")
    return EXIT_LEFT_OUT if report.problems else EXIT_OK


@scripts_command.command("update", cls=Command)
@_omerodir
@_namespace
@click.option("--watch", is_flag=True, help="Go on doing so whenever something changes, until interrupted.")
@click.option(
    "--every", type=click.FloatRange(0.1, 3600), default=2.0, show_default=True, help="Seconds between looks."
)
@click.option("--force", is_flag=True, help="Remove also scripts that were changed after they were generated.")
@_dry_run
@json_option
def update_command(
    omerodir: str | None, namespace: str, watch: bool, every: float, force: bool, dry_run: bool, as_json: bool
) -> int:
    """Bring the scripts of folders given to `generate --scripts` into step with what lies there now.

    Macros that are new get a script, changed ones a new one, and the scripts of those that are gone are removed. The
    exit code is 4 where files could not be taken; all else was done.
    """
    from ij_omero.scripting import source_folders, update_scripts, watch_scripts

    folder = _folder(omerodir)
    try:
        sources = source_folders(folder, namespace=namespace)
        if not sources and not watch:
            raise click.ClickException("no folder is known; name one first: ij-omero scripts generate --scripts DIR")
        if watch:
            click.echo(f"watching {', '.join(sources) or 'for folders'}; Ctrl-C ends it", err=True)
            for report in watch_scripts(folder, namespace=namespace, every=every):
                _print_report(report, as_json, dry_run=False)
        report = update_scripts(folder, namespace=namespace, force=force, dry_run=dry_run)
    except ScriptError as error:
        raise click.ClickException(str(error)) from error
    _print_report(report, as_json, dry_run)
    if not as_json and not (report.written or report.removed):
        click.echo("nothing has changed")
    return EXIT_LEFT_OUT if report.problems else EXIT_OK


@scripts_command.command("list", cls=Command)
@_omerodir
@_namespace
@json_option
def list_command(omerodir: str | None, namespace: str, as_json: bool) -> None:
    """List the scripts that were generated."""
    from ij_omero.scripting import installed_scripts

    found = installed_scripts(_folder(omerodir), namespace=namespace)
    if as_json:
        print_json([{"path": one.path, "file": one.file, "module": one.module} for one in found])
    else:
        print_table(("script", "module"), [(one.path, one.module) for one in found])


@scripts_command.command("check", cls=Command)
@_omerodir
@_namespace
@json_option
def check_command(omerodir: str | None, namespace: str, as_json: bool) -> int:
    """Tell which scripts were changed or cannot run any more. The exit code is 1 where there are such."""
    from ij_omero.scripting import check_scripts, installed_scripts

    folder = _folder(omerodir)
    problems = check_scripts(folder, namespace=namespace)
    if as_json:
        print_json([{"path": one.path, "problem": one.problem} for one in problems])
    else:
        for one in problems:
            click.echo(f"{one.path} {one.problem}")
        count = len(installed_scripts(folder, namespace=namespace))
        click.echo(f"{count} scripts, {len(problems)} problems")
    return EXIT_ERROR if problems else EXIT_OK


@scripts_command.command("remove", cls=Command)
@_omerodir
@_namespace
@click.option("--force", is_flag=True, help="Also scripts that were changed after they were generated.")
@click.option("--imagej", is_flag=True, help="Also the ImageJ that was put into OMERODIR/lib.")
@_dry_run
@json_option
def remove_command(
    omerodir: str | None, namespace: str, force: bool, imagej: bool, dry_run: bool, as_json: bool
) -> None:
    """Remove exactly what was generated."""
    from ij_omero.scripting import remove_imagej, remove_scripts

    try:
        report = remove_scripts(_folder(omerodir), namespace=namespace, force=force, dry_run=dry_run)
        gone = remove_imagej(_folder(omerodir), dry_run=dry_run) if imagej else None
    except ScriptError as error:
        raise click.ClickException(str(error)) from error
    _print_report(report, as_json, dry_run)
    if not as_json:
        if gone:
            click.echo(f"  {gone} {'would be ' * dry_run}removed")
        click.echo(f"{len(report.removed)} scripts {'would be ' * dry_run}removed.")


def _print_report(report: InstallReport, as_json: bool, dry_run: bool) -> None:
    if as_json:
        print_json(
            {
                "scripts": [one.path for one in report.scripts],
                "written": report.written,
                "removed": report.removed,
                "kept": report.kept,
                "problems": report.problems,
                "dry_run": dry_run,
            }
        )
        return
    would = "would be " if dry_run else ""
    for word, paths in (("written", report.written), ("removed", report.removed)):
        for path in paths:
            click.echo(f"  {path} {would}{word}")
    for path in report.kept:
        click.echo(f"  {path} was changed and stays; --force removes it")
    for problem in report.problems:
        click.echo(f"  {problem}", err=True)
