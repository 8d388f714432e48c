"""What comes from elsewhere: Java, pinned jars, ImageJ's classes, Ice, PostgreSQL. Fetched once, checked, cached."""

from __future__ import annotations

from ._browser import WebBrowser, fetch_browser, find_browser
from ._carve import prokaryote_jar
from ._checksums import is_recorded, is_whole_zip, recorded_file
from ._folders import CACHE_VARIABLE, cache_dir, file_lock, make_folder, write_whole
from ._ice_wheel import ice_wheel
from ._imagej import imagej_class_path
from ._jars import PinnedJar, fetch_jars, read_lock
from ._java import MINIMUM_JAVA, Java, find_java
from ._packages import group_names, set_up
from ._progress import Progress, log_progress
from ._services import IceServices, fetch_ice_services, find_ice_services, find_postgres

__all__ = [
    "CACHE_VARIABLE",
    "MINIMUM_JAVA",
    "IceServices",
    "Java",
    "PinnedJar",
    "Progress",
    "WebBrowser",
    "cache_dir",
    "fetch_browser",
    "fetch_ice_services",
    "fetch_jars",
    "file_lock",
    "find_browser",
    "find_ice_services",
    "find_java",
    "find_postgres",
    "group_names",
    "ice_wheel",
    "imagej_class_path",
    "is_recorded",
    "is_whole_zip",
    "log_progress",
    "make_folder",
    "prokaryote_jar",
    "read_lock",
    "recorded_file",
    "set_up",
    "write_whole",
]
