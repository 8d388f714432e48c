from __future__ import annotations

import errno
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from ij_omero.errors import DiskFullError, StorageError
from ij_omero.provision import cache_dir, file_lock, recorded_file, write_whole
from tests._unprivileged import as_ordinary_user

if TYPE_CHECKING:
    from pathlib import Path


def test_the_cache_is_where_the_variable_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("IJ_OMERO_CACHE", str(tmp_path))
    assert cache_dir("jars", "org") == tmp_path / "jars" / "org"
    monkeypatch.delenv("IJ_OMERO_CACHE")
    assert cache_dir().name == "ij-omero"
    assert cache_dir().is_absolute()


def test_an_interrupted_write_leaves_what_was_there_and_no_scrap(tmp_path: Path) -> None:
    path = write_whole(tmp_path / "file", b"old")

    def fail(part: Path) -> None:
        part.write_bytes(b"half of the ne")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_whole(path, fail)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_says_so_and_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("IJ_OMERO_CACHE", str(tmp_path))

    def fail(part: Path) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(DiskFullError, match=r"no space is left for .*free some space, or set IJ_OMERO_CACHE"):
        write_whole(tmp_path / "file", fail)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_says_so_and_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir(mode=0o555)
    with as_ordinary_user(tmp_path), pytest.raises(StorageError, match=r"cannot write to .*or name a folder that is"):
        write_whole(tmp_path / "folder" / "file", b"")


def test_a_file_in_the_place_of_a_folder_is_a_storage_error(tmp_path: Path) -> None:
    (tmp_path / "cache").touch()
    with pytest.raises(StorageError, match="cannot write to"):
        write_whole(tmp_path / "cache" / "file", b"")


def test_a_recorded_file_is_made_once_and_again_when_it_was_damaged(tmp_path: Path) -> None:
    made = []

    def write(part: Path) -> None:
        made.append(part)
        part.write_bytes(b"content")

    path = recorded_file(tmp_path / "file", write)
    assert recorded_file(path, write).read_bytes() == b"content"
    assert len(made) == 1
    path.write_bytes(b"c0ntent")
    assert recorded_file(path, write).read_bytes() == b"content"
    assert len(made) == 2


def test_a_lock_keeps_other_processes_out_until_its_holder_dies(tmp_path: Path) -> None:
    program = (
        "import sys\nfrom pathlib import Path\nfrom ij_omero.provision import file_lock\n"
        "with file_lock(Path(sys.argv[1])):\n    print('held', flush=True)\n    sys.stdin.read()\n"
    )
    path = tmp_path / "folder" / "lock"
    holder = subprocess.Popen(
        [sys.executable, "-c", program, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        waited = []

        def waiting() -> None:
            waited.append(True)
            holder.kill()

        with file_lock(path, waiting):
            assert holder.wait(timeout=10) != 0
    assert waited == [True]
