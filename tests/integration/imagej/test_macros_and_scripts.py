from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import numpy as np
import pytest

from ij_omero import imagej
from ij_omero.errors import ImageJError, InvalidInputError, OperationTimeoutError
from ij_omero.model import Rectangle

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.jvm
PICTURE = np.arange(48, dtype=np.uint8).reshape(6, 8)


def test_a_macro_returns_text_and_takes_an_argument() -> None:
    result = imagej.run_macro('print("hello"); return getArgument() + "!";', argument="word")
    assert result.outputs["return"] == "word!"
    assert "hello" in result.log


def test_select_image_finds_images_by_title_and_id_in_batch_mode() -> None:
    first, second = imagej.to_imageplus(PICTURE, title="one"), imagej.to_imageplus(PICTURE, title="two")
    text = """
        setBatchMode(true);
        id = getImageID();
        selectImage("two"); run("Invert");
        selectImage(id); run("Duplicate...", "title=copy"); selectImage("copy"); run("Add...", "value=5");
    """
    result = imagej.run_macro(text, [first, second])
    assert result.image is not None
    assert result.image.description.name == "copy"
    np.testing.assert_array_equal(result.image.pixels[0, 0, 0], PICTURE + 5)
    np.testing.assert_array_equal(imagej.from_imageplus(first).pixels[0, 0, 0], PICTURE)
    np.testing.assert_array_equal(imagej.from_imageplus(second).pixels[0, 0, 0], 255 - PICTURE)


def test_the_roi_manager_works_without_a_window() -> None:
    text = 'makeRectangle(1, 2, 3, 4); roiManager("add"); roiManager("measure"); return "" + roiManager("count");'
    result = imagej.run_macro(text, PICTURE)
    assert result.outputs["return"] == "1"
    assert result.rois[0].shapes == (Rectangle(1.0, 2.0, 3.0, 4.0),)
    assert result.table is not None
    assert result.table["Area"][0] == 12
    assert imagej.run_macro('return "" + roiManager("count");').outputs["return"] == "0"


def test_auto_threshold_and_particles_in_a_macro() -> None:
    picture = np.zeros((40, 40), np.uint16)
    picture[5:15, 5:15] = 1000
    picture[20:30, 22:38] = 1500
    text = 'setAutoThreshold("Otsu dark"); run("Analyze Particles...", "size=0-Infinity display add");'
    result = imagej.run_macro(text, picture)
    assert result.table is not None
    assert sorted(result.table["Area"]) == [100, 160]
    assert len(result.rois) == 2


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("x = 1;\nfoo bar", "line 2: Undefined variable"),
        ('run("No Such Command");', "Unrecognized command"),
        ('run("Gaussian Blur...", "sigma=2");', "There are no images open"),
        ('exit("my own words");', "my own words"),
        ("a = newArray(2); print(a[5]);", "out of"),
        ('selectImage("nowhere");', "not found"),
        ('waitForUser("hello");', "no screen"),
        ('x = getNumber("n", 3);', "no screen"),
        ('Dialog.create("d"); Dialog.addNumber("a", 1); Dialog.show();', "no screen"),
        ('open("/no/such/file.tif");', "/no/such/file.tif"),
    ],
)
def test_a_macros_error_has_imagejs_text(text: str, says: str) -> None:
    with pytest.raises(ImageJError) as caught:
        imagej.run_macro(text, timeout=60)
    assert says in str(caught.value)


def test_exit_without_words_is_a_normal_end() -> None:
    assert len(imagej.run_macro('newImage("n", "8-bit", 4, 4, 1); exit();').images) == 1


def test_a_macro_is_stopped_at_its_time_limit_and_the_next_one_runs() -> None:
    with pytest.raises(OperationTimeoutError, match=r"within 0\.5 s"):
        imagej.run_macro("while (true) { x = 1; }", timeout=0.5)
    assert imagej.run_macro('return "alive";', timeout=60).outputs["return"] == "alive"


def test_macros_from_several_threads_do_not_mix() -> None:
    found: dict[int, str] = {}

    def run(number: int) -> None:
        text = f'newImage("n{number}", "8-bit", 4, 4, 1); wait(5); return getTitle() + nImages;'
        found[number] = imagej.run_macro(text).outputs["return"]

    threads = [threading.Thread(target=run, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {number: f"n{number}1" for number in range(6)}


SCRIPT = """#@ Integer (label="How often", min=1, max=9) n
#@ String (choices={"mean", "max"}, value="mean") mode
#@ Boolean (value=true) loud
#@ Dataset image
#@output Double answer
#@output String title
answer = n * 2.5;
title = getTitle() + mode + loud;
"""


def test_a_script_takes_typed_parameters_and_gives_outputs() -> None:
    result = imagej.run_script(SCRIPT, "ijm", {"n": 3, "mode": "max"}, images=PICTURE)
    assert result.outputs == {"answer": 7.5, "title": "imagemax1"}


def test_a_script_file_is_known_by_its_ending(tmp_path: Path) -> None:
    (tmp_path / "double_it.ijm").write_text("#@ Double x\n#@output Double y\ny = 2 * x;\n")
    assert imagej.run_script(tmp_path / "double_it.ijm", inputs={"x": 4.5}).outputs == {"y": 9}


def test_a_script_is_described_without_its_language() -> None:
    described = imagej.describe_script(SCRIPT, "groovy")
    assert [parameter.name for parameter in described.inputs] == ["n", "mode", "loud", "image"]
    assert described.input("n").label == "How often"
    assert described.input("mode").choices == ("mean", "max")
    assert described.input("image").is_image


@pytest.mark.parametrize(
    ("inputs", "says"),
    [
        ({"n": 12}, "'n' of script.ijm is 12, which is too large; expected a whole number from 1 to 9"),
        ({}, "needs the input 'n'"),
        ({"n": "x"}, "no whole number"),
        ({"n": 1, "mode": "min"}, "'mean', 'max'"),
        ({"n": 1, "wrong": 1}, "no input 'wrong'"),
    ],
)
def test_a_scripts_bad_input_is_named(inputs: dict[str, object], says: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        imagej.run_script(SCRIPT, "ijm", inputs, images=PICTURE)
    assert says in str(caught.value)


def test_a_missing_language_is_said() -> None:
    with pytest.raises(ImageJError, match="no script language"):
        imagej.run_script("println 'x'", "nosuchlanguage")
    with pytest.raises(InvalidInputError, match="language"):
        imagej.run_script("println 'x'\n")
