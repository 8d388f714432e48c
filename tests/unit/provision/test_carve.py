from __future__ import annotations

import zipfile
from typing import TYPE_CHECKING

import pytest

from ij_omero.errors import SetupError
from ij_omero.provision import _carve

if TYPE_CHECKING:
    from pathlib import Path

INDEX = "META-INF/json/org.scijava.plugin.Plugin"
OURS = '{"class":"net.imagej.A","priority":1.0E10}'
THEIRS = '{"class":"org.scijava.B"}{"class":"net.imagej.updater.C"}'


def test_only_imagej_comes_out_with_the_index_entries_as_they_were(tmp_path: Path) -> None:
    whole, part = tmp_path / "whole.jar", tmp_path / "part.jar"
    with zipfile.ZipFile(whole, "w") as archive:
        archive.writestr(INDEX, f"{OURS}\n {THEIRS}{OURS}\n")
        for name in ("net/imagej/A.class", "net/imagej/updater/C.class", "net/imagej/patcher/D.class", "luts/Fire.lut"):
            archive.writestr(name, name)
        archive.writestr("org/scijava/B.class", "")
    _carve.carve(whole, part)
    with zipfile.ZipFile(part) as archive:
        assert sorted(archive.namelist()) == [INDEX, "luts/Fire.lut", "net/imagej/A.class"]
        assert archive.read(INDEX).decode() == OURS + OURS
        assert archive.read("luts/Fire.lut") == b"luts/Fire.lut"


def test_the_same_jar_makes_the_same_bytes(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "whole.jar", "w") as archive:
        archive.writestr(INDEX, OURS)
        archive.writestr("net/imagej/A.class", "x" * 1000)
    for name in ("one", "two"):
        _carve.carve(tmp_path / "whole.jar", tmp_path / name)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_a_damaged_package_says_how_to_get_a_new_one(tmp_path: Path) -> None:
    (tmp_path / "whole.jar").write_bytes(b"not a jar")
    with pytest.raises(SetupError, match=r"damaged.*pip install --force-reinstall --no-deps prokaryote"):
        _carve.carve(tmp_path / "whole.jar", tmp_path / "part.jar")
    with zipfile.ZipFile(tmp_path / "whole.jar", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(INDEX, OURS)
    packed = bytearray((tmp_path / "whole.jar").read_bytes())
    packed[30 + len(INDEX)] ^= 0xFF  # the first byte of what is packed
    (tmp_path / "whole.jar").write_bytes(packed)
    with pytest.raises(SetupError, match=r"damaged.*pip install --force-reinstall --no-deps prokaryote"):
        _carve.carve(tmp_path / "whole.jar", tmp_path / "part.jar")
