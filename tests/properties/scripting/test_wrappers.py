"""Whatever a module says of itself, its wrapper compiles, is parsed by OMERO and holds no other statements.

One command tries many more: IJ_OMERO_EXAMPLES=10000 pytest tests/properties/scripting
"""

from __future__ import annotations

import ast
import dataclasses
import json
import os
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ij_omero.imagej._description import ModuleParameter
from ij_omero.scripting._described import described_module, plain_module
from ij_omero.scripting._description import WrappedModule
from ij_omero.scripting._names import distinct, file_stem, parameter_key
from ij_omero.scripting._parameters import script_parameters
from ij_omero.scripting._source import Target, script_source

EXAMPLES = int(os.environ.get("IJ_OMERO_EXAMPLES", "150"))
NASTY = [
    "'",
    '"',
    "'''",
    '"""',
    "\\",
    "\\'",
    "${HOME}",
    "{0}",
    "{module}",
    "%s",
    "\n",
    "\r\n",
    "\x00",
    "\ud800",
    "\u202e",
    "\u2028",
    "'); import os; os.system('x') #",
    '"""\nimport os\n"""',
    "# -*- coding: utf-7 -*-",
    "Data_Type",
    "IDs",
    "Image_ID",
    "Message",
    "k=v",
    "a,b",
    "日本語",
    "../../etc",
    "con",
    " ",
    "",
    "x" * 9000,
]
texts = st.one_of(
    st.sampled_from(NASTY),
    st.text(st.characters(), max_size=40),
    st.lists(st.sampled_from(NASTY), max_size=4).map("".join),
)
TYPES = """
boolean int long float double java.lang.Double byte char java.lang.String java.io.File int[] java.lang.String[]
double[][] java.util.List java.util.List<java.lang.Long> java.util.Map java.util.Set net.imagej.Dataset ij.ImagePlus
org.scijava.table.GenericTable net.imagej.roi.ROITree net.imglib2.roi.MaskPredicate org.scijava.util.ColorRGB [] < '
"""
types = st.sampled_from([*TYPES.split(), ""])
values = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    texts,
    st.just(1 << 80),
    st.just(10**400),
    st.just(float("nan")),
)
parameters = st.builds(
    ModuleParameter,
    name=texts,
    java_type=types,
    label=texts,
    description=texts,
    required=st.booleans(),
    default=values,
    minimum=values,
    maximum=values,
    step=values,
    choices=st.lists(values, max_size=5).map(tuple),
    style=texts,
    visibility=st.sampled_from(["NORMAL", "MESSAGE", "INVISIBLE"]),
)
modules = st.builds(
    WrappedModule,
    identifier=texts,
    title=texts,
    menu=st.lists(texts, max_size=3).map(tuple),
    description=texts,
    version=texts,
    inputs=st.lists(parameters, max_size=5).map(tuple),
    outputs=st.lists(parameters, max_size=3).map(tuple),
)
targets = st.builds(Target, python=texts, prefix=texts, environment=st.dictionaries(texts, texts, max_size=2))


class _Mask(ast.NodeTransformer):
    """Replaces every literal by one and the same."""

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        return ast.Constant(0)

    def visit_UnaryOp(self, node: ast.UnaryOp) -> ast.AST:
        masked = self.generic_visit(node)
        assert isinstance(masked, ast.UnaryOp)
        return masked.operand if isinstance(node.op, ast.USub) else masked


def statements(source: str) -> str:
    return ast.dump(_Mask().visit(ast.parse(source)))


def calls(source: str) -> set[str]:
    """Return what is called and imported, by its code."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call):
            found.add(ast.unparse(node.func).split("(")[0])
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            found.add(ast.unparse(node))
    return found


ALLOWED = {
    "import json", "import os", "import sys", "import omero.scripts as scripts",
    "from ij_omero.scripting import end_job, run_job", "end_job",
    "from ij_omero.scripting import begin_job", "begin_job", "run_script", "scripts.client", "os.environ.update",
    "is_job", "open", "settings.read", "json.dumps", "os.execve", "sys.exit", "run_job",
    *(f"scripts.{kind}" for kind in ("Bool", "Int", "Long", "Float", "Double", "String", "List", "Map")),
    *(f"scripts.{kind}" for kind in ("rbool", "rint", "rlong", "rfloat", "rdouble", "rstring")),
}  # fmt: skip


@given(modules, targets)
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
def test_a_wrapper_of_anything_compiles_and_holds_nothing_but_literals_and_known_calls(
    module: WrappedModule, target: Target
) -> None:
    source = script_source(module, target)
    assert source.isascii()
    compile(source, "wrapper", "exec")
    assert calls(source) <= ALLOWED
    tree = ast.parse(source)
    assigned = {node.targets[0].id: ast.literal_eval(node.value) for node in tree.body if isinstance(node, ast.Assign)}  # type: ignore[attr-defined]
    assert assigned == {
        "MODULE": module.identifier,
        "DESCRIBED": plain_module(module),
        "PYTHON": target.python,
        "PREFIX": target.prefix,
        "ENVIRONMENT": dict(target.environment),
    }


@given(modules)
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
def test_what_a_wrapper_knows_of_its_module_gives_the_same_parameters(module: WrappedModule) -> None:
    told = described_module(module.identifier, json.loads(json.dumps(plain_module(module))))
    assert [one.key for one in script_parameters(told).inputs] == [one.key for one in script_parameters(module).inputs]
    assert [(one.name, one.java_type, one.required) for one in told.inputs] == [
        (one.name, one.java_type, one.required) for one in module.inputs
    ]
    assert told.attachments == module.attachments
    assert plain_module(told) == plain_module(module)


@given(modules)
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
def test_texts_change_literals_only(module: WrappedModule) -> None:
    plain = dataclasses.replace(
        module,
        identifier="module",
        title="Title",
        description="What it does",
        version="1",
        inputs=tuple(dataclasses.replace(one, label="", description="") for one in module.inputs),
        outputs=tuple(dataclasses.replace(one, label="", description="") for one in module.outputs),
    )
    target = Target("/usr/bin/python", "/usr")
    assert statements(script_source(module, target)) == statements(script_source(plain, target))


@given(modules)
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
def test_omero_parses_a_wrapper_of_anything(module: WrappedModule) -> None:
    from omero import scripts

    parsed = _parse(script_source(module, Target("/usr/bin/python", "/usr")))
    for key, parameter in parsed.inputs.items():
        assert key.isascii() and key.replace("_", "").isalnum()
        assert type(parameter.prototype).__name__ not in ("RArrayI", "RMapI", "RSetI")
        _can_be_shown(parameter)
    assert "Message" in parsed.outputs
    # what `omero script launch` does when nothing but the required is given
    required = [key for key, one in parsed.inputs.items() if not one.optional and not one.useDefault]
    given_ = [f"{key}={_some(parsed.inputs[key])}" for key in required]
    inputs = scripts.parse_inputs(given_, parsed)
    assert not scripts.validate_inputs(parsed, inputs)


def _parse(source: str) -> Any:
    """Parse as OMERO does, and let its communicator go, which `parse_text` keeps open."""
    import omero
    from omero import scripts

    make, clients = omero.client, []

    def client() -> Any:
        clients.append(make())
        return clients[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(omero, "client", client)
        parsed = scripts.parse_text(source)
    for one in clients:
        one.__del__()
    return parsed


def _can_be_shown(parameter: Any) -> None:
    """Do what `omero script params` does with values and bounds."""
    from omero.rtypes import unwrap

    ", ".join(unwrap(parameter.values) or [])
    for bound in (parameter.min, parameter.max):
        assert bound is None or bound.val == bound.val


def _some(parameter: Any) -> str:
    from omero.rtypes import unwrap

    choices = unwrap(parameter.values)
    if choices:
        return str(choices[0])
    for bound in (parameter.min, parameter.max):
        if bound is not None:
            return str(bound.val)
    return "1"


@given(st.lists(texts, max_size=12))
def test_names_are_distinct_and_safe_on_any_disk(titles: list[str]) -> None:
    stems = distinct([file_stem(title) for title in titles])
    assert len({stem.lower() for stem in stems}) == len(titles)
    for stem in stems:
        assert stem.isascii() and not set(stem) & set("/\\:*?\"<>|$'` \n\0") and stem[0] not in ".-"
        assert 0 < len(stem) < 130
    for title in titles:
        key = parameter_key(title)
        assert key.replace("_", "").isalnum() and key.isascii() and key[0].upper() == key[0]
