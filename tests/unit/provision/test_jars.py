from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING

import pytest

from ij_omero.errors import CorruptedDataError, SetupError
from ij_omero.provision import PinnedJar, _jars, fetch_jars, read_lock

if TYPE_CHECKING:
    from pathlib import Path

JAR = PinnedJar("org.example", "thing", "1.0", "", hashlib.sha256(b"whole").hexdigest())


class Maven:
    """Stands for Maven Central; hands out what it is told, one after the other."""

    def __init__(self, *contents: bytes | Exception) -> None:
        self.left = list(contents)

    def __call__(self, jar: PinnedJar, folder: Path) -> Path:
        content = self.left.pop(0)
        if isinstance(content, Exception):
            raise content
        path = folder / "downloaded.jar"
        path.write_bytes(content)
        return path


@pytest.fixture(autouse=True)
def _cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("IJ_OMERO_CACHE", str(tmp_path))


def serve(monkeypatch: pytest.MonkeyPatch, *contents: bytes | Exception) -> Maven:
    maven = Maven(*contents)
    monkeypatch.setattr(_jars, "_download", maven)
    return maven


def test_a_jar_is_fetched_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    serve(monkeypatch, b"whole")
    assert fetch_jars([JAR]) == [tmp_path / "jars/org/example/thing/1.0/thing-1.0.jar"]
    assert fetch_jars([JAR])[0].read_bytes() == b"whole"


def test_a_damaged_jar_is_noticed_and_fetched_again(monkeypatch: pytest.MonkeyPatch) -> None:
    maven = serve(monkeypatch, b"whole", b"whole")
    fetch_jars([JAR])[0].write_bytes(b"wh0le")
    assert fetch_jars([JAR])[0].read_bytes() == b"whole"
    assert maven.left == []


def test_a_bad_download_is_tried_once_more(monkeypatch: pytest.MonkeyPatch) -> None:
    serve(monkeypatch, b"cut sho", b"whole")
    assert fetch_jars([JAR])[0].read_bytes() == b"whole"


def test_what_is_bad_twice_is_refused_and_not_kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    serve(monkeypatch, b"other", b"other")
    with pytest.raises(CorruptedDataError, match=r"org\.example:thing:1\.0 .*not the expected file"):
        fetch_jars([JAR])
    assert [path for path in tmp_path.rglob("*") if path.is_file() and path.name != ".lock"] == []


def test_no_network_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    serve(monkeypatch, SetupError("could not be downloaded from Maven Central"))
    with pytest.raises(SetupError, match="Maven Central"):
        fetch_jars([JAR])


def test_a_cache_that_holds_all_is_not_written(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    serve(monkeypatch, b"whole")
    fetch_jars([JAR])
    (tmp_path / "jars" / ".lock").unlink()
    fetch_jars([JAR])
    assert not (tmp_path / "jars" / ".lock").exists()


@pytest.mark.parametrize("name", ["imagej", "server"])
def test_lock_files_pin_every_jar(name: str) -> None:
    jars = read_lock(name)
    assert len({jar.coordinates for jar in jars}) == len(jars) > 5
    assert all(re.fullmatch(r"[0-9a-f]{64}", jar.sha256) for jar in jars)
    assert not [jar for jar in jars if jar.version in ("LATEST", "RELEASE") or jar.version.endswith("-SNAPSHOT")]


def test_the_embedded_imagej_is_the_one_that_was_tried() -> None:
    coordinates = {jar.coordinates for jar in read_lock("imagej")}
    assert {"net.imglib2:imglib2:8.0.1", "org.scijava:scijava-common:2.100.1", "net.imagej:ij:1.54p"} <= coordinates
