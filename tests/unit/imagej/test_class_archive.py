"""Which archive of classes belongs to which Java and which jars."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ij_omero.imagej._class_archive import _archive, archive_options
from ij_omero.provision import Java

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_an_archive_is_taken_for_the_very_jars_it_was_made_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IJ_OMERO_CACHE", str(tmp_path / "cache"))
    java, jar = Java(tmp_path / "java", 17, "PATH"), tmp_path / "ij.jar"
    jar.write_bytes(b"classes")
    assert archive_options(java, [jar]) == []
    archive = _archive(java, [jar])
    archive.parent.mkdir(parents=True)
    archive.touch()
    assert f"-XX:SharedArchiveFile={archive}" in archive_options(java, [jar])
    assert archive_options(Java(tmp_path / "other", 17, "PATH"), [jar]) == []
    os.utime(jar, (1, 1))
    assert archive_options(java, [jar]) == []
