"""The parameters of an OMERO script, from those of the module that it runs."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ._description import MESSAGE
from ._names import distinct, parameter_key
from ._types import Kind, OmeroType, Role, omero_type

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ij_omero.imagej import ModuleParameter

    from ._description import WrappedModule

DATA_TYPE = "Data_Type"
IDS = "IDs"
IMAGE_ID = "Image_ID"
DATASET_ID = "Dataset_ID"
MESSAGE_KEY = "Message"
NEW_IMAGE = "New_Image"
TABLE_FILE = "Table_File"
DATA_TYPES = ("Image", "Dataset", "Project", "Well", "Plate", "Screen")
_RESERVED = (DATA_TYPE, IDS, DATASET_ID, MESSAGE_KEY, NEW_IMAGE, TABLE_FILE, "stdout", "stderr")
_BOUNDS = {Kind.INT: (-(2**31), 2**31 - 1), Kind.LONG: (-(2**63), 2**63 - 1)}
_FLOAT_MAX = 3.4028234663852886e38  # the largest finite float of 32 bits (IEEE 754 binary32)
_LONGEST_TEXT = 4000


@dataclass(frozen=True)
class ScriptParameter:
    """An input or output of an OMERO script.

    Parameters
    ----------
    key
        Its name in OMERO.
    kind
        The class of `omero.scripts` that declares it.
    source
        The module's parameter that it stands for; None for those that this package adds.
    role
        What its value means.
    element
        The kind of a list's elements, where it is known.
    optional, default, minimum, maximum, values, description
        As `omero.scripts.Type` has them; ``values`` are texts.
    grouping
        Where it stands among the others.
    """

    key: str
    kind: Kind
    source: str | None = None
    role: Role = Role.VALUE
    element: Kind | None = None
    optional: bool = True
    default: Any = None
    minimum: Any = None
    maximum: Any = None
    values: tuple[str, ...] = ()
    description: str = ""
    grouping: str = ""


@dataclass(frozen=True)
class ScriptParameters:
    """All parameters of a script, in their order."""

    inputs: tuple[ScriptParameter, ...]
    outputs: tuple[ScriptParameter, ...]

    def input_for(self, source: str) -> ScriptParameter | None:
        """Return the input that stands for a module's, if one does."""
        return next((parameter for parameter in self.inputs if parameter.source == source), None)

    @property
    def images(self) -> tuple[ScriptParameter, ...]:
        """The inputs that name images."""
        return tuple(parameter for parameter in self.inputs if parameter.role is Role.IMAGE)


def script_parameters(module: WrappedModule) -> ScriptParameters:
    """Return the parameters with which OMERO shows a module.

    Image inputs are optional in OMERO's sense, since either ``IDs`` (which OMERO.web fills from the selection) or
    ``Image_ID`` (or the input's own key, where there are several) names them; the script says so when neither does.
    """
    shown = [item for item in module.inputs if item.visibility != MESSAGE]
    types = [omero_type(item.java_type) for item in shown]
    images = [kind.role is Role.IMAGE for kind in types]
    inputs = [*_selection(images.count(True))] if any(images) else []
    keys = _keys(shown, images)
    inputs += [_input(item, kind, key) for item, kind, key in zip(shown, types, keys, strict=True)]
    if module.makes_images:
        where = "The dataset for new images; without it, that of the image they were made from."
        inputs.append(ScriptParameter(DATASET_ID, Kind.LONG, description=where, minimum=1))
    width = len(str(len(inputs)))
    grouped = tuple(_replace_grouping(item, f"{i:0{width}d}") for i, item in enumerate(inputs, 1))
    return ScriptParameters(grouped, _outputs(module.outputs))


def clean_text(text: str, longest: int = _LONGEST_TEXT) -> str:
    """Return a text that OMERO can carry: no control characters, no halves of surrogate pairs, of bounded length."""
    text = re.sub(r"\r\n?", "\n", text)
    text = "".join(c if c in "\n\t" or (ord(c) >= 32 and not 0x7F <= ord(c) <= 0x9F) else " " for c in text)
    text = re.sub("[\ud800-\udfff]", "\N{REPLACEMENT CHARACTER}", text)
    return text if len(text) <= longest else text[: longest - 4] + " ..."


def choice_text(choice: Any) -> str:
    """Return how a choice is offered: with ``:`` for ``=``, from which on `omero script launch` drops a value."""
    return clean_text(str(choice)).replace("=", ":")


def _selection(image_inputs: int) -> list[ScriptParameter]:
    """Return the two parameters that OMERO.web fills from what is selected."""
    several = f" Each run takes {image_inputs} images, in this order." if image_inputs > 1 else ""
    return [
        ScriptParameter(
            DATA_TYPE,
            Kind.STRING,
            optional=False,
            default=DATA_TYPES[0],
            values=DATA_TYPES,
            description="What the IDs are of. Containers stand for the images in them.",
        ),
        ScriptParameter(IDS, Kind.LIST, element=Kind.LONG, description=f"The images, or what contains them.{several}"),
    ]


def _keys(items: Sequence[ModuleParameter], images: Sequence[bool]) -> list[str]:
    one_image = sum(images) == 1
    taken = [*_RESERVED, *([IMAGE_ID] if one_image else [])]
    others = [item.name for item, image in zip(items, images, strict=True) if not (one_image and image)]
    keys = iter(distinct([parameter_key(name) for name in others], taken))
    return [IMAGE_ID if one_image and image else next(keys) for image in images]


def _input(item: ModuleParameter, type_: OmeroType, key: str) -> ScriptParameter:
    values = tuple(dict.fromkeys(choice_text(choice) for choice in item.choices))
    kind = type_.kind
    if values and type_.role is Role.VALUE:
        # `omero script params` joins the values, so they are texts whatever they stand for
        kind = Kind.STRING
    elif kind is Kind.MAP:
        kind = Kind.STRING
    bounded = kind.is_number and type_.role is Role.VALUE
    minimum = _number(item.minimum, kind) if bounded else None
    maximum = _number(item.maximum, kind) if bounded else None
    if minimum is not None and maximum is not None and minimum > maximum:
        minimum = maximum = None
    default = None if type_.role is not Role.VALUE else _default(item.default, kind, values)
    if (minimum is not None and default is not None and default < minimum) or (
        maximum is not None and default is not None and default > maximum
    ):
        default = None
    return ScriptParameter(
        key,
        kind,
        item.name,
        type_.role,
        type_.element if kind is Kind.LIST else None,
        # an image may come as one of the IDs, and a checkbox that is not ticked is not sent
        optional=not item.required or type_.role is Role.IMAGE or kind is Kind.BOOL,
        default=default,
        minimum=1 if type_.role is not Role.VALUE else minimum,
        maximum=maximum,
        values=values if kind is Kind.STRING else (),
        description=_description(item, type_, key),
    )


def _outputs(items: Sequence[ModuleParameter]) -> tuple[ScriptParameter, ...]:
    types = [omero_type(item.java_type) for item in items]
    keys = _keys(items, [kind.role is Role.IMAGE for kind in types])
    outputs = [
        ScriptParameter(
            key,
            Kind.LIST if kind.role is Role.ROIS else kind.kind,
            item.name,
            kind.role,
            Kind.LONG if kind.role is Role.ROIS else kind.element,
            description=_description(item, kind, key, out=True),
        )
        for item, kind, key in zip(items, types, keys, strict=True)
    ]
    return (*outputs, ScriptParameter(MESSAGE_KEY, Kind.STRING, description="What was done."))


def _description(item: ModuleParameter, type_: OmeroType, key: str, *, out: bool = False) -> str:
    """Return label and description, with what OMERO has no field for: the step, and what an id is of."""
    parts = [part for part in (item.label, item.description) if part and parameter_key(part) != key]
    if type_.role is not Role.VALUE:
        meaning = {
            Role.IMAGE: "The id of an image.",
            Role.TABLE: "The id of a table's file.",
            Role.ROIS: "The ids of ROIs." if out else "The id of an image, for all its ROIs.",
            Role.ROI: "The id of an ROI.",
        }
        parts.append(meaning[type_.role])
    if type_.kind is Kind.MAP and not out:
        parts.append('As JSON: {"key": "value"}.')
    step = _number(item.step, type_.kind) if type_.kind.is_number and type_.role is Role.VALUE else None
    if step:
        parts.append(f"Step: {step:g}.")
    return clean_text(". ".join(part.rstrip(".") for part in parts) + ("." if parts else ""))


def _default(value: Any, kind: Kind, values: tuple[str, ...]) -> Any:
    if value is None:
        return None
    if kind is Kind.BOOL:
        return value if isinstance(value, bool) else str(value).strip().lower() == "true"
    if kind.is_number:
        return _number(value, kind)
    if kind is Kind.STRING:
        text = choice_text(value) if values else clean_text(str(value))
        return text if not values or text in values else None
    return None  # a list's default would have to be of the element type; the module applies its own


def _number(value: Any, kind: Kind) -> int | float | None:
    """Return a value as a number that OMERO's type holds, or None: infinities and NaN have no place in a form."""
    if value is None or isinstance(value, bool):
        return None
    try:
        number = float(value) if not isinstance(value, int) else value
    except (TypeError, ValueError, OverflowError):
        return None
    if isinstance(number, float) and not math.isfinite(number):
        return None
    if kind.is_integer:
        low, high = _BOUNDS[kind]
        whole = int(number)
        return whole if whole == number and low <= whole <= high else None
    try:
        number = float(number)
    except OverflowError:
        return None
    return None if kind is Kind.FLOAT and abs(number) > _FLOAT_MAX else number


def _replace_grouping(item: ScriptParameter, grouping: str) -> ScriptParameter:
    import dataclasses

    return dataclasses.replace(item, grouping=grouping)
