"""What `omero script launch` prints, as a result."""

from __future__ import annotations

from subprocess import CompletedProcess

import pytest

from ij_omero.errors import ScriptError
from ij_omero.scripting import _command, list_scripts
from ij_omero.scripting._command import _argument, parse_launch

PRINTED = """Job 10 ready
Waiting....
Callback received: FINISHED

\t*** start stdout (id=27)***
\t* hello
\t* you
\t*\x20
\t*** end stdout ***


\t*** out parameters ***
\t* Image_ID=3
\t* Message=done
two = 2
\t* New_Image=object #0 (::omero::model::Image)
{
    _id = object #1 (::omero::RLong)
    {
        _val = 4
    }
    _details = <nil>
}
\t* Image_IDs=[3, 4]
\t* Mean=1.5e3
\t***  done ***
"""


def test_outputs_streams_and_job_are_read() -> None:
    result = parse_launch(PRINTED)
    assert result.job_id == 10
    assert (result.stdout, result.stderr) == ("hello\nyou", "")
    assert result.message == "done\ntwo = 2"
    assert result.outputs["New_Image"] == "Image:4"
    assert result.outputs["Mean"] == 1500.0
    assert result.image_ids == [3, 4]


def test_values_that_the_command_would_cut_are_refused() -> None:
    assert _argument("IDs", [1, 2]) == "1,2"
    with pytest.raises(ScriptError, match="no value that contains '='"):
        _argument("Options", "sigma=2")
    with pytest.raises(ScriptError, match="contain ','"):
        _argument("Names", ["a,b"])


def test_scripts_that_two_list_for_the_first_time_are_listed_once_more(monkeypatch: pytest.MonkeyPatch) -> None:
    refused = CompletedProcess([], 1, "", "could not insert: [ome.model.core.OriginalFile]; SQL [insert into ...")
    answers = iter([refused, CompletedProcess([], 0, " id | Official scripts\n----+---\n 7  | /imagej/A.py\n", "")])
    monkeypatch.setattr(_command, "run_omero", lambda *_, **__: next(answers))
    assert list_scripts(host="localhost") == {"/imagej/A.py": 7}
    answers = iter([refused, refused])
    with pytest.raises(ScriptError, match="could not insert"):
        list_scripts(host="localhost")
