"""OMERO.web with OMERO.iviewer and OMERO.figure beside a local server."""

from __future__ import annotations

import importlib.util
import json
import sys
import urllib.error
import urllib.request
import xml.etree.ElementTree as ET
from typing import TYPE_CHECKING

from ij_omero.provision import write_whole

if TYPE_CHECKING:
    from pathlib import Path

WEB_MODULES = {"omeroweb": "omero-web", "omero_iviewer": "omero-iviewer", "omero_figure": "omero-figure"}
_TIMEOUT_S = 5


def missing_web_packages() -> list[str]:
    """Name the packages that OMERO.web needs and that are not installed."""
    return [package for module, package in WEB_MODULES.items() if importlib.util.find_spec(module) is None]


def write_web_config(omerodir: Path, server_port: int, web_port: int) -> None:
    """Write OMERO.web's settings into an OMERODIR of its own."""
    top_links = [
        ["Data", "webindex", {"title": "Browse Data via Projects, Tags etc"}],
        ["Figure", "figure_index", {"title": "Open Figure in new tab", "target": "_blank"}],
    ]
    open_with = [
        ["omero_figure", "new_figure", {"supported_objects": ["images"], "target": "_blank", "label": "OMERO.figure"}],
        [
            "omero_iviewer",
            "omero_iviewer_index",
            {"supported_objects": ["images", "dataset", "well"], "label": "OMERO.iviewer"},
        ],
    ]
    properties = {
        "omero.web.server_list": json.dumps([["127.0.0.1", server_port, "local"]]),
        "omero.web.apps": json.dumps(["omero_figure", "omero_iviewer"]),
        "omero.web.ui.top_links": json.dumps(top_links),
        "omero.web.open_with": json.dumps(open_with),
        "omero.web.viewer.view": "omero_iviewer.views.index",
        "omero.web.application_server": "development",
        "omero.web.application_server.port": str(web_port),
        # Django serves the static files itself only so
        "omero.web.debug": "True",
        "omero.web.secure": "false",
        "omero.web.check_version": "false",
        "omero.web.session_engine": "django.contrib.sessions.backends.file",
        "omero.web.caches": json.dumps({"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}),
    }
    root = ET.Element("icegrid")
    version = {"omero.config.version": "5.1.0"}
    for profile, content in (
        ("__ACTIVE__", {"omero.config.profile": "default", **version}),
        ("default", {**version, **properties}),
    ):
        held = ET.SubElement(root, "properties", id=profile)
        for name, value in content.items():
            ET.SubElement(held, "property", name=name, value=value)
    write_whole(omerodir / "etc/grid/config.xml", ET.tostring(root), mode=0o600)
    (omerodir / "var/log").mkdir(parents=True, exist_ok=True)


def web_command(port: int) -> list[str]:
    """Give the command that serves OMERO.web on the loopback."""
    return [sys.executable, "-W", "ignore", "-m", "django", "runserver", "--noreload", f"127.0.0.1:{port}"]


def web_environment(omerodir: Path) -> dict[str, str]:
    """Give what that command needs in its environment."""
    return {
        "OMERODIR": str(omerodir),
        "OMERO_USERDIR": str(omerodir / "userdir"),
        "OMERO_TMPDIR": str(omerodir / "tmp"),
        "DJANGO_SETTINGS_MODULE": "omeroweb.settings",
    }


def web_address(port: int) -> str:
    """Give the address of OMERO.web."""
    return f"http://127.0.0.1:{port}/"


def web_answers(port: int) -> bool:
    """Tell whether the login page is served."""
    try:
        with urllib.request.urlopen(f"{web_address(port)}webclient/login/", timeout=_TIMEOUT_S) as page:  # noqa: S310
            return bool(page.status == 200)
    except (urllib.error.URLError, OSError):
        return False
