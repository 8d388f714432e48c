"""The demo's processing once more, as an OMERO script that the server runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ij_omero.errors import CorruptedDataError

if TYPE_CHECKING:
    from ij_omero.images import Connection
    from ij_omero.localserver import LocalServer

    from ._demo import Story
    from ._demo_steps import DemoReport

MODULE = "Gaussian Blur..."


def run_as_script(server: LocalServer, connection: Connection, report: DemoReport, story: Story) -> None:
    """Install ImageJ's Gaussian Blur as an OMERO script, run it with ``omero script launch``, compare the pixels.

    Raises
    ------
    ScriptError
        The script could not be installed or failed.
    CorruptedDataError
        The server's script made other pixels than ImageJ did here.
    """
    from ij_omero.scripting import install_scripts, launch, list_scripts

    from ._demo_steps import SIGMA

    login: dict[str, Any] = {"host": server.host, "port": server.port, "user": "root", "password": server.password}
    installed = install_scripts(server.status().omerodir, [MODULE])
    path = installed.scripts[0].path
    story.tell(f"installed {MODULE!r} as the OMERO script {path}")
    script = list_scripts(**login)[path]
    done = launch(script, {"IDs": [report.original_id], "Sigma": SIGMA, "Stack": True}, **login)
    (new,) = done.image_ids
    with connection.open_image(new) as image:
        if not np.array_equal(image.to_numpy(), report.blurred):
            raise CorruptedDataError("the script on the server made other pixels than ImageJ did in this process")
        story.tell(
            f"omero script launch {script} IDs={report.original_id} Sigma={SIGMA:g}: new image {image.address}, "
            "pixel by pixel what ImageJ made here",
            script=path,
            script_result=str(image.address),
        )
