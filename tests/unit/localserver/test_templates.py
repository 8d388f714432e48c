from __future__ import annotations

from types import SimpleNamespace

import pytest

from ij_omero.errors import SetupError
from ij_omero.localserver._velocity import render


def test_loops_conditions_and_references() -> None:
    template = (
        "## a comment\n"
        "#foreach($t in $types)\n"
        '#if($t.big && !$t.name.equals("B"))\n'
        "create $t.name (${t.column('x')});\n"
        "#else\n"
        'skip ${t.name}_$t.column("y")\n'
        "#end\n"
        "#end\n"
        "$5 and ($end)\n"
    )
    types = [
        SimpleNamespace(name="A", big=True, column=lambda c: f"a_{c}"),
        SimpleNamespace(name="B", big=True, column=lambda c: f"b_{c}"),
    ]
    assert render(template, types=types, end="done") == "create A (a_x);\nskip B_b_y\n$5 and (done)\n"


def test_set_keeps_a_value() -> None:
    assert render("#set($x = $y)\n$x\n", y="z") == "z\n"


@pytest.mark.parametrize("template", ["$unknown\n", "#if($x ==)\n#end\n", "${x\n", "#end\n"])
def test_what_is_not_understood_is_an_error(template: str) -> None:
    with pytest.raises(SetupError, match="a database template of this OMERO"):
        render(template, x="x")
