"""Chromium with its driver, for tests of web pages: the system's own, or Debian's packages without root."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from ij_omero.errors import SetupError

from ._debian import unpack_packages
from ._folders import cache_dir
from ._progress import Progress, log_progress

_NAME = "chromium"
_PACKAGES = ("chromium-headless-shell", "chromium-driver")
_BROWSER = "usr/lib/chromium/chromium-headless-shell"
_DRIVER = "usr/bin/chromedriver"
_SYSTEM_BROWSERS = ("chromium", "google-chrome", "chromium-headless-shell")
# What the two programs are linked to, and a font. All that the packages name beside these is for desktops, 300 MB.
_LIBRARIES = (
    "chromium-common|fonts-dejavu-core|fontconfig-config|"
    r"lib(asound2|asyncns|atk1|atspi|brotli|bsd|cap2|dav1d|dbus-1|double-conv|drm2|expat|ffi|flac|fontconfig|freetype|"
    r"gbm|glib2|graphite2|harfbuzz|jpeg62|lcms2|md0|minizip|mp3lame|mpg123|nspr|nss3|ogg|openh264|openjp2|opus|"
    r"png16|pulse0|sndfile|sqlite3|vorbis|wayland-server|x11|xau|xcb1|xcomposite|xdamage|xdmcp|xext|xfixes|xi6|"
    r"xkbcommon0|xnvctrl|xrandr|xrender|zstd)\S*"
)


@dataclass(frozen=True)
class WebBrowser:
    """A Chromium that needs no screen, and the program that drives it for Selenium.

    Attributes
    ----------
    program, driver
        Their paths; both are of the same version.
    environment
        What both need in their environment.
    """

    program: Path
    driver: Path
    environment: dict[str, str]


def find_browser() -> WebBrowser | None:
    """Find Chromium or Chrome and chromedriver: both on PATH, or those unpacked into the cache."""
    program = next((found for name in _SYSTEM_BROWSERS if (found := shutil.which(name))), None)
    driver = shutil.which("chromedriver")
    if program and driver:
        return WebBrowser(Path(program), Path(driver), dict(os.environ))
    root = cache_dir("debian", _NAME)
    if not ((root / _BROWSER).is_file() and (root / _DRIVER).is_file()):
        return None
    # its libraries lie beside each other, and PulseAudio's private one below
    folders = [str(path) for below in ("usr/lib", "lib") for path in root.glob(f"{below}/*-linux-gnu*")]
    folders += [str(path) for path in root.glob("usr/lib/*/pulseaudio")]
    before = [folder for folder in [os.environ.get("LD_LIBRARY_PATH")] if folder]
    environment = {
        **os.environ,
        "LD_LIBRARY_PATH": ":".join([*folders, *before]),
        "FONTCONFIG_PATH": str(root / "etc/fonts"),
        "XDG_DATA_HOME": str(root / "usr/share"),  # fontconfig looks for fonts below it
    }
    return WebBrowser(root / _BROWSER, root / _DRIVER, environment)


def fetch_browser(progress: Progress = log_progress) -> WebBrowser:
    """Find a browser, or unpack Debian's packages of one into the cache (100 MB to download, no root).

    Raises
    ------
    SetupError
        There is none, and this is not Debian or its archive cannot be reached.
    """
    found = find_browser()
    if found is None:
        unpack_packages(_NAME, _PACKAGES, _LIBRARIES, _BROWSER, progress)
        found = find_browser()
    if found is None:
        raise SetupError(
            f"the packages {' and '.join(_PACKAGES)} hold no {_DRIVER}: install Chromium and chromedriver, so that "
            "both are on PATH"
        )
    return found
