from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from ij_omero import imagej
from ij_omero.errors import ImageJError, InvalidInputError

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.jvm


def run_script(text: str, timeout: float = 60, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", text],
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
        env={**os.environ, **environment},
    )


def test_start_is_idempotent_and_tells_what_runs() -> None:
    runtime = imagej.start()
    assert imagej.start() is runtime is imagej.current()
    assert imagej.start(runtime.context) is runtime
    assert int(runtime.java_version.split(".")[0]) >= 17
    assert runtime.imagej1_version.startswith("1.")
    assert any("scijava-common" in jar for jar in runtime.class_path)
    with pytest.raises(ImageJError, match="no service"):
        runtime.service("no.such.Service")
    with pytest.raises(InvalidInputError, match="is no ImageJ"):
        imagej.start(object())


@pytest.mark.parametrize("ending", ["", "raise SystemExit(3)", "raise KeyError('x')"])
def test_a_process_that_used_imagej_1_ends_by_itself(ending: str) -> None:
    script = f"""
import time
import numpy as np
from ij_omero import imagej
result = imagej.run_module("Gaussian Blur...", {{"sigma": 2}}, images=np.ones((4, 30, 30), np.float32))
imagej.run_macro('print("x");')
print("done", result.image.pixels.shape, flush=True)
{ending}
"""
    done = run_script(script, timeout=40)
    assert done.stdout == "done (1, 1, 4, 30, 30)\n"
    assert done.returncode == {"": 0, "raise SystemExit(3)": 3}.get(ending, 1), done.stderr
    assert "FATAL" not in done.stderr


@pytest.mark.parametrize(
    ("handler", "code", "told"),
    [("", -15, ""), ("signal.signal(15, lambda *_: (print('mine'), exit(9)))", 9, "mine\n")],
)
def test_a_signal_ends_the_process_as_without_java(handler: str, code: int, told: str) -> None:
    script = f"""
import os, signal
from ij_omero import imagej
{handler}
imagej.run_macro('return "x";')
os.kill(os.getpid(), signal.SIGTERM)
while True:
    signal.pause()
"""
    done = run_script(script, timeout=40)
    assert (done.returncode, done.stdout) == (code, told), done.stderr


def test_nothing_starts_at_import() -> None:
    done = run_script("import sys, ij_omero.imagej; ij_omero.imagej.ModuleDescription; print('jpype' in sys.modules)")
    assert done.stdout == "False\n"


def test_a_jvm_that_others_started_is_accepted(tmp_path: Path) -> None:
    script = """
import jpype
from ij_omero.provision import find_java, imagej_class_path
jpype.startJVM("-Djava.awt.headless=true", "--add-opens=java.base/java.lang=ALL-UNNAMED",
               jvmpath=str(find_java().jvm_library), classpath=[str(jar) for jar in imagej_class_path()])
from ij_omero import imagej
assert imagej.run_macro('return "here";').outputs["return"] == "here"
print(imagej.start().is_full)
"""
    done = run_script(script)
    assert (done.returncode, done.stdout) == (0, "False\n"), done.stderr


def test_a_jvm_without_imagej_is_refused() -> None:
    script = """
import jpype
from ij_omero.provision import find_java
jpype.startJVM(jvmpath=str(find_java().jvm_library), classpath=[])
from ij_omero import imagej
from ij_omero.errors import ImageJError
try:
    imagej.start()
except ImageJError as error:
    print("already runs" in str(error))
"""
    assert run_script(script).stdout == "True\n"


def test_imagej_can_come_from_a_folder(tmp_path: Path) -> None:
    from ij_omero.provision import imagej_class_path

    (tmp_path / "Fiji" / "jars").mkdir(parents=True)
    for jar in imagej_class_path():
        (tmp_path / "Fiji" / "jars" / jar.name).symlink_to(jar)
    script = """
from ij_omero import imagej
print(imagej.run_macro('return "" + 6 * 7;').outputs["return"])
print(any("/Fiji/jars/ij-" in jar for jar in imagej.start().class_path))
print(imagej.find_module("Gaussian Blur...").input("sigma").default)  # as its dialog tells
"""
    done = run_script(script, IJ_OMERO_IMAGEJ=str(tmp_path))
    assert (done.returncode, done.stdout) == (0, "42\nTrue\n2.0\n"), done.stderr


def test_a_folder_without_imagej_is_refused(tmp_path: Path) -> None:
    script = "from ij_omero import imagej\nimagej.start()"
    done = run_script(script, IJ_OMERO_IMAGEJ=str(tmp_path))
    assert done.returncode == 1
    assert "InvalidInputError" in done.stderr
    assert "jars/" in done.stderr


def test_imagej_runs_without_its_patched_classes_on_disk(tmp_path: Path) -> None:
    """Where the cache cannot be written, ImageJ 1 is patched at the start."""
    script = """
import ij_omero.imagej._class_path as class_path
class_path.headless_jar = lambda jars, java: None
from ij_omero import imagej
print(imagej.run_macro('return "patched";').outputs["return"])
"""
    done = run_script(script)
    assert (done.returncode, done.stdout) == (0, "patched\n"), done.stderr


def test_an_impossible_heap_is_told() -> None:
    done = run_script("from ij_omero import imagej\nimagej.start(max_heap='lots')")
    assert done.returncode != 0
    assert "ImageJError" in done.stderr
    assert "max_heap" in done.stderr


def test_damaged_patched_classes_are_made_again() -> None:
    from ij_omero.imagej._headless import headless_jar
    from ij_omero.provision import find_java, imagej_class_path

    made = []
    for _ in range(2):
        jar = headless_jar(imagej_class_path(), find_java())
        assert jar is not None
        copy = jar.read_bytes()
        # a new file: the running JVM may have the old one open
        damaged = jar.with_suffix(".damaged")
        damaged.write_bytes(copy[: len(copy) // 2])
        damaged.replace(jar)
        assert headless_jar(imagej_class_path(), find_java()) == jar
        assert jar.read_bytes() == copy
        made.append(jar.stat().st_mtime_ns)
    assert made[0] == made[1]  # the archive of classes still fits


def test_the_first_call_starts_imagej_whichever_it_is() -> None:
    done = run_script(
        "from ij_omero import imagej\nprint(imagej.describe_script('#@ Integer n\\n', 'ijm').input('n').name)\n"
    )
    assert (done.returncode, done.stdout.strip()) == (0, "n"), done.stderr
