from __future__ import annotations

import logging
import zipfile
from typing import TYPE_CHECKING

import pytest

from ij_omero.errors import StorageError
from ij_omero.provision import imagej_class_path
from tests._unprivileged import as_ordinary_user

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("IJ_OMERO_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.mark.usefixtures("cache")
def test_damaged_jars_are_noticed_and_made_whole(caplog: pytest.LogCaptureFixture) -> None:
    jars = imagej_class_path()
    names = {name for jar in jars for name in zipfile.ZipFile(jar).namelist()}
    assert {"net/imagej/Dataset.class", "net/imglib2/img/Img.class", "ij/ImagePlus.class"} <= names
    whole = {jar: jar.read_bytes() for jar in jars}
    damaged = [next(jar for jar in jars if jar.name.startswith(name)) for name in ("parsington", "net.imagej")]
    for jar in damaged:
        jar.write_bytes(whole[jar][:-1] + b"x")
    with caplog.at_level(logging.WARNING, "ij_omero"):
        assert {jar: jar.read_bytes() for jar in imagej_class_path()} == whole
    assert f"{damaged[0]} is damaged" in caplog.text


def test_a_read_only_cache_serves_what_it_has_and_says_what_it_cannot_do(cache: Path) -> None:
    jars = imagej_class_path()
    folders = [cache, *(path for path in cache.rglob("*") if path.is_dir())]
    for folder in folders:
        folder.chmod(0o555)
    try:
        with as_ordinary_user(cache):
            assert imagej_class_path() == jars
        # the owner of these folders may delete what is in them, whatever their mode says to others
        for folder in folders:
            folder.chmod(0o755)
        jars[-1].unlink()
        for folder in folders:
            folder.chmod(0o555)
        with as_ordinary_user(cache), pytest.raises(StorageError, match=r"cannot write to .*set IJ_OMERO_CACHE"):
            imagej_class_path()
    finally:
        for folder in folders:
            folder.chmod(0o755)
