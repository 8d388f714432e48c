"""ImageJ from the command line: run, modules."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np

from ij_omero.errors import InvalidInputError

from ._app import Command
from ._bars import Bar, Lines
from ._login import Login, login_options, open_connection, opened_image
from ._output import json_option, print_json, print_table
from ._starting import start_imagej

if TYPE_CHECKING:
    from ij_omero.imagej import ModuleDescription, ModuleParameter, ModuleResult
    from ij_omero.images import Connection, Image
    from ij_omero.model import Table

_NOWHERE = "none"
_SHOWN_ROWS = 10
_TRUTHS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}


@click.command("run", cls=Command)
@click.argument("module")
@click.argument("address", required=False)
@click.option("--set", "settings", multiple=True, metavar="NAME=VALUE", help="An input of the module; repeatable.")
@click.option(
    "--to", metavar="STORE", help="Where results go; the image's own store without it, 'none' to keep nothing."
)
@click.option("--name", help="The name of new images; that of the image at ADDRESS and of MODULE without it.")
@click.option("--dataset", type=int, help="The dataset to link new images to.")
@login_options
@json_option
def run_command(
    module: str,
    address: str | None,
    settings: tuple[str, ...],
    to: str | None,
    name: str | None,
    dataset: int | None,
    login: Login,
    as_json: bool,
) -> None:
    """Run an ImageJ MODULE, on the image at ADDRESS where it takes one, and save what comes out.

    MODULE is a title such as "Gaussian Blur..." or an identifier of `ij-omero modules`, or the path of a macro (.ijm)
    or #@ script. New images are saved with calibration and channels; tables and ROIs are attached to the first new
    image, or to the image at ADDRESS where the module makes none.
    """
    import ij_omero
    from ij_omero.imagej import describe_script, find_module
    from ij_omero.images import is_script

    start_imagej(Lines())
    found = describe_script(Path(module).expanduser()) if is_script(module) else find_module(module)
    inputs, title = typed_inputs(found, settings), found.title
    with contextlib.ExitStack() as stack:
        image = stack.enter_context(opened_image(address, login)) if address else None
        result = ij_omero.run(module, image, **inputs)
        target = _target(stack, to, image, login)
        with Bar() as bar:
            named = name or (f"{image.name} - {title.removesuffix('...')}" if image is not None else title)
            saved = _save(result, image, target, named, dataset, bar) if target else {}
        facts = {"module": module, "address": address, **_result_facts(result), **saved}
        if image is not None:
            image.discard_edits()  # what the module wrote into its input was saved, or is not wanted
    if as_json:
        print_json(facts)
    else:
        _print_facts(facts, result)


def typed_inputs(module: ModuleDescription, settings: tuple[str, ...]) -> dict[str, Any]:
    """Turn NAME=VALUE texts into values of the types that a module's inputs have.

    Raises
    ------
    click.UsageError
        A text has no ``=``.
    InvalidInputError
        A value does not fit its input.
    """
    known = {parameter.name: parameter for parameter in module.inputs}
    inputs = {}
    for setting in settings:
        name, equals, text = setting.partition("=")
        if not equals or not name:
            raise click.UsageError(f"--set {setting!r}: expected NAME=VALUE")
        inputs[name] = _typed(known.get(name), name, text)
    return inputs


def _typed(parameter: ModuleParameter | None, name: str, text: str) -> Any:
    """Read a text as the type of a parameter; of one that is not known, as what it looks like."""
    kind = parameter.java_type.rsplit(".", 1)[-1].lower() if parameter else ""
    if kind in ("string", "char", "character", "file"):
        return text
    if parameter and parameter.is_image:
        raise InvalidInputError(f"{name} is an image: give its address as the second argument")
    if kind == "boolean" or (not kind and text.lower() in ("true", "false")):
        if text.lower() not in _TRUTHS:
            raise InvalidInputError(f"{name}={text}: expected true or false")
        return _TRUTHS[text.lower()]
    for read in (int, float):
        with contextlib.suppress(ValueError):
            return read(text)
    return text


def _target(stack: contextlib.ExitStack, to: str | None, image: Image | None, login: Login) -> Connection | None:
    if to == _NOWHERE:
        return None
    if to is not None:
        return stack.enter_context(open_connection(to, login))
    return image.store if image is not None else None


def _save(
    result: ModuleResult, image: Image | None, target: Connection, name: str | None, dataset: int | None, bar: Bar
) -> dict[str, Any]:
    """Save images, tables and ROIs, and say where they are."""
    saved: dict[str, Any] = {"saved_images": [], "saved_tables": [], "saved_rois": []}
    own_store = image is not None and image.store is target
    holder = image.image_id if image is not None and own_store else None
    tables = _filled(result.tables)
    attachments = bool(tables or result.rois)
    # A command that only measures hands its input back: a copy of that is no result.
    made = [one for one in result.java_images if not (holder is not None and attachments and _is_same(one, image))]
    for number, one in enumerate(made):
        attached: dict[str, Any] = {"tables": tables, "rois": result.rois} if number == 0 else {}
        new = target.save_image(one, name=name, dataset=dataset, source=image, progress=bar, **attached)
        saved["saved_images"].append({"id": new.image_id, "address": str(new.address), "name": new.name})
        new.close()
    if made and attachments:
        saved["attached_to"] = saved["saved_images"][0]["address"]
    elif attachments:
        if holder is None:
            raise InvalidInputError(
                "there is no image in that store to attach tables and ROIs to; leave --to away, or --to none"
            )
        saved["saved_tables"] = [target.store.save_table(holder, table) for table in tables]
        saved["saved_rois"] = target.store.save_rois(holder, result.rois) if result.rois else []
        saved["attached_to"] = str(target.store.address_of(holder))
    return saved


def _is_same(made: Any, image: Image | None) -> bool:
    """Tell whether an image that came out is the one that went in, unchanged."""
    from ij_omero.imagej import from_imageplus, is_imageplus

    if image is None or not is_imageplus(made):
        return False
    pixels = from_imageplus(made).pixels
    return pixels.shape == image.shape and all(
        np.array_equal(pixels[plane.t, plane.c, plane.z], image[plane.t, plane.c, plane.z])
        for plane in image.description.plane_indices()
    )


def _filled(tables: tuple[Table, ...]) -> list[Table]:
    return [table for table in tables if table.row_count]


def _result_facts(result: ModuleResult) -> dict[str, Any]:
    plain = {
        name: value for name, value in result.outputs.items() if isinstance(value, (bool, int, float, str, list, tuple))
    }
    return {
        "outputs": plain,
        "tables": [
            {"name": table.name, "columns": {column.name: column.values.tolist() for column in table.columns}}
            for table in result.tables
        ],
        "roi_count": len(result.rois),
        "log": result.log.strip(),
    }


def _print_facts(facts: dict[str, Any], result: ModuleResult) -> None:
    for name, value in facts["outputs"].items():
        click.echo(f"{name} = {value}")
    for table in result.tables:
        click.echo(f"table {table.name}: {table.row_count} rows")
        shown = [[_cell(value) for value in row] for row, _ in zip(table.rows(), range(_SHOWN_ROWS), strict=False)]
        print_table(table.column_names, shown)
        if table.row_count > _SHOWN_ROWS:
            click.echo(f"... and {table.row_count - _SHOWN_ROWS} more")
    if facts["roi_count"]:
        click.echo(f"{facts['roi_count']} ROIs")
    for new in facts.get("saved_images", []):
        click.echo(f"new image {new['name']!r}: {new['address']}")
    if "attached_to" in facts:
        click.echo(f"tables and ROIs are attached to {facts['attached_to']}")
    if facts["log"]:
        click.echo(facts["log"], err=True)


def _cell(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)


@click.command("modules", cls=Command)
@click.option("--search", metavar="TEXT", help="Only modules with this text in their title or menu path.")
@click.option("--describe", "described", metavar="NAME", help="What one module takes and gives.")
@json_option
def modules_command(search: str | None, described: str | None, as_json: bool) -> None:
    """List what ImageJ can do, or describe one module."""
    from ij_omero.imagej import find_module, modules

    start_imagej(Lines())
    if described is not None:
        module = find_module(described)
        if as_json:
            print_json(_module_facts(module))
        else:
            _print_module(module)
        return
    wanted = (search or "").casefold()
    found = [one for one in modules() if wanted in f"{one.title}\n{one.menu_path}".casefold()]
    if as_json:
        print_json([{"title": m.title, "menu": m.menu_path, "kind": m.kind, "id": m.identifier} for m in found])
    elif not found:
        click.echo("no module has that in its title or menu path")
    else:
        print_table(("TITLE", "MENU", "KIND"), [(m.title, m.menu_path, m.kind) for m in found])


def _parameter_facts(parameter: ModuleParameter) -> dict[str, Any]:
    return {
        "name": parameter.name,
        "label": parameter.label,
        "type": parameter.java_type,
        "required": parameter.required,
        "default": parameter.default,
        "expected": parameter.expectation,
        "choices": list(parameter.choices),
    }


def _module_facts(module: ModuleDescription) -> dict[str, Any]:
    return {
        "title": module.title,
        "id": module.identifier,
        "menu": module.menu_path,
        "kind": module.kind,
        "description": module.description,
        "inputs": [_parameter_facts(one) for one in module.inputs],
        "outputs": [_parameter_facts(one) for one in module.outputs],
    }


def _print_module(module: ModuleDescription) -> None:
    click.echo(f"{module.title}  ({module.kind}, {module.identifier})")
    for line in (module.menu_path, module.description):
        if line:
            click.echo(line)
    for what, parameters in (("inputs", module.inputs), ("outputs", module.outputs)):
        if parameters:
            click.echo(f"\n{what}")
            rows = [
                (f"  {one.name}", one.label, one.expectation, "" if one.default is None else one.default)
                for one in parameters
            ]
            print_table(("  NAME", "LABEL", "EXPECTED", "DEFAULT"), rows)
