"""The command ``omero ij``; installed as ``omero/plugins/ij.py``, where the omero command finds it.

Every omero command reads this, so what it needs is imported when it is used.
"""

from omero.cli import BaseControl

HELP = "Run ImageJ on images: ij_omero's commands with this login"


class ImageJControl(BaseControl):  # type: ignore[misc] # omero-py has no types
    """Hands its arguments to ij_omero with the session of ``omero login``."""

    def _configure(self, parser):  # type: ignore[no-untyped-def]
        from argparse import REMAINDER

        parser.description = (
            "Run ImageJ on OMERO's images, e.g. omero ij run 'Gaussian Blur...' Image:42 --set sigma=2, or omero ij "
            "info Image:42. The commands are those of ij-omero (see omero ij help, omero ij COMMAND --help); where "
            "they take an address, Image:ID is an image of the server that this login is for, and omero: that server."
        )
        parser.add_login_arguments()
        parser.add_argument("arguments", nargs=REMAINDER, metavar="COMMAND ...", help="e.g. run, info, list, import")
        parser.set_defaults(func=self.run_command)

    def run_command(self, args):  # type: ignore[no-untyped-def]
        """Run the command; the exit code is ij-omero's."""
        from ij_omero.cli import run_for_omero

        self.ctx.rv = run_for_omero(args.arguments, lambda: self.ctx.conn(args))


# omero executes this file with `register` defined
if "register" in globals():
    register("ij", ImageJControl, HELP)  # type: ignore[name-defined] # noqa: F821
