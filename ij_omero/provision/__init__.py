"""What comes from elsewhere: Java, pinned jars, ImageJ's classes, Ice, PostgreSQL. Fetched once, checked, cached."""

from __future__ import annotations

from ._carve import prokaryote_jar
from ._folders import CACHE_VARIABLE, cache_dir, file_lock, make_folder, write_whole
from ._imagej import imagej_class_path
from ._jars import PinnedJar, fetch_jars, read_lock
from ._java import MINIMUM_JAVA, Java, find_java
from ._progress import Progress, log_progress

__all__ = [
    "CACHE_VARIABLE",
    "MINIMUM_JAVA",
    "Java",
    "PinnedJar",
    "Progress",
    "cache_dir",
    "fetch_jars",
    "file_lock",
    "find_java",
    "imagej_class_path",
    "log_progress",
    "make_folder",
    "prokaryote_jar",
    "read_lock",
    "write_whole",
]
