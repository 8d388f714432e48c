"""A module's description as plain data that a wrapper carries, so that a run need not ask ImageJ again.

Asking is dear: an ImageJ 1 command tells its inputs only by opening its dialog, which costs as much as all the rest of
a run on a small image.
"""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING, Any

from ij_omero.errors import ScriptError

from ._description import WrappedModule

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ij_omero.imagej import ModuleParameter

# What people read is in the script's own parameters; a run does without.
_LEFT_OUT = ("label", "description", "style", "properties")
_LARGEST = 2**64


def plain_module(module: WrappedModule) -> dict[str, Any]:
    """Return a description as dicts, lists, texts, numbers, truth values and None; without what is only read."""
    plain: dict[str, Any] = {"title": module.title, "version": module.version}
    for name, items in (("inputs", module.inputs), ("outputs", module.outputs)):
        if items:
            plain[name] = [_plain_parameter(item) for item in items]
    if module.attachments:
        plain["attachments"] = {name: list(images) for name, images in module.attachments.items()}
    if module.datasets:
        plain["datasets"] = {name: list(ids) for name, ids in module.datasets.items()}
    return plain


def described_module(identifier: str, plain: Mapping[str, Any]) -> WrappedModule:
    """Return the description that `plain_module` wrote down.

    Raises
    ------
    ScriptError
        It is none; the script was changed by hand or written by another version.
    """
    try:
        return WrappedModule(
            identifier,
            str(plain["title"]),
            version=str(plain.get("version", "")),
            inputs=tuple(_parameter(one) for one in plain.get("inputs", ())),
            outputs=tuple(_parameter(one) for one in plain.get("outputs", ())),
            attachments={name: tuple(images) for name, images in plain.get("attachments", {}).items()},
            datasets={name: tuple(int(one) for one in ids) for name, ids in plain.get("datasets", {}).items()},
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ScriptError(
            f"the script's description of {identifier} cannot be read ({type(error).__name__}: {error}); "
            "generate the scripts again"
        ) from error


def _plain_parameter(item: ModuleParameter) -> dict[str, Any]:
    plain = {}
    for field in dataclasses.fields(item):
        if field.name in _LEFT_OUT:
            continue
        value = getattr(item, field.name)
        known = [_plain(one) for one in value] if field.name == "choices" else _plain(value)
        if known != field.default and known != []:
            plain[field.name] = known
    return plain


def _plain(value: Any) -> Any:
    """Return a value that Python and JSON write and read alike; None for what is no number that a form has."""
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, int):
        return value if abs(value) <= _LARGEST else None
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return str(value)


def _parameter(plain: Mapping[str, Any]) -> ModuleParameter:
    from ij_omero.imagej import ModuleParameter

    return ModuleParameter(**{**plain, "choices": tuple(plain.get("choices", ()))})
