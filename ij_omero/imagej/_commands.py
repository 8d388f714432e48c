"""ImageJ 1's menu commands: which there are, what each asks for, and running one."""

from __future__ import annotations

import functools
import logging
import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from ij_omero.errors import InvalidInputError, ModuleNotFoundInImageJError

from ._description import ModuleDescription, ModuleParameter, not_found
from ._headless_recipe import DESCRIBE_PROPERTY, FIELDS_PROPERTY
from ._imagej1_call import call_imagej1, one_line
from ._imagej1_state import imagej1_state
from ._imageplus import to_imageplus
from ._options import option_key, option_names, options_text
from ._rois import from_imagej_rois, read_overlay, to_imagej_rois
from ._runtime import java_class, start
from ._tables import from_results_table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from ij_omero.model import Roi, Shape, Table

    from ._imagej1_state import ImageJ1State

_log = logging.getLogger(__name__)
IMAGEJ1_PREFIX = "imagej1:"
_COMMAND = re.compile(r'^(?P<name>[\w.$]+)(?:\("(?P<argument>.*)"\))?$')
_IMAGE = ModuleParameter("image", "ij.ImagePlus", "Image", "the image to work on", required=False)
_MASKING = ("Convert to Mask", "Make Binary")
_OPTIONS = ModuleParameter(
    "options", "java.lang.String", "Options", "options as a macro writes them: 'sigma=2 stack'", required=False
)
_STACK = ModuleParameter(
    "stack", "boolean", "Whole stack", "whether to work on all planes of a stack", required=False, default=True
)
_RESULT = ModuleParameter("result", "ij.ImagePlus", "Result", required=False)
# Trying out what a command asks for must touch no file, network, window or setting.
_DESCRIBED_MENUS = ("Process", "Image", "Analyze", "Plugins>Filters")
_NEVER_TRIED = (
    "ij.plugin.URLOpener",
    "ij.plugin.BrowserLauncher",
    "ij.plugin.BatchProcessor",
    "ij.plugin.BatchConverter",
    "ij.plugin.BatchMeasure",
    "ij.plugin.Commands",
    "ij.plugin.Options",
    "ij.plugin.MeasurementsWriter",
    "ij.plugin.ListVirtualStack",
    "ij.plugin.filter.Writer",
    "ij.plugin.filter.XYWriter",
    "ij.plugin.filter.RoiWriter",
    "ij.plugin.filter.AVI_Writer",
    "ij.plugin.filter.Printer",
    "ij.plugin.frame.",
    "ij.plugin.SimpleCommands",
    "ij.plugin.Animator",
    "ij.plugin.Zoom",
    "ij.plugin.XYCoordinates",
    "ij.plugin.ScreenGrabber",
)
# (width and height, planes): what differs between the two depends on the image, so it is no default of the command
_TRIED_PICTURES = ((32, 3), (40, 5))


class DialogField(NamedTuple):
    """One field of a command's dialog as the headless dialog recorded it."""

    kind: str
    label: str
    value: Any
    low: float | None
    high: float | None
    items: tuple[str, ...]

    @property
    def key(self) -> str:
        """The option that fills it."""
        return option_key(self.label)


class CommandRun(NamedTuple):
    """What a command left behind."""

    images: list[Any]
    table: Table | None
    rois: list[Roi]
    log: str


def imagej1_commands() -> dict[str, str]:
    """Return ImageJ 1's commands: title -> class name with argument."""
    start().imagej1()
    table = java_class("ij.Menus").getCommands()
    return {str(entry.getKey()): str(entry.getValue()) for entry in table.entrySet()}


def command_of(title: str) -> str | None:
    """Return one command's class name with argument; None where there is no such command."""
    start().imagej1()
    found = java_class("ij.Menus").getCommands().get(title)
    return None if found is None else str(found)


_menus: dict[int, dict[str, tuple[str, ...]]] = {}


def menus_of_commands() -> dict[str, tuple[str, ...]]:
    """Return the menus that lead to each command, its title last."""
    import jpype

    start().imagej1()
    try:
        hooks = java_class("ij.IJ").class_.getField("_hooks").get(None)
        structure = hooks.getMenuStructure()
    except (jpype.JException, AttributeError) as error:
        _log.debug("ImageJ 1's menus are unknown: %s", error)
        return {}
    size = int(structure.size())
    if size not in _menus:  # entries are only ever added, and reading them takes longer than describing a command
        paths = (str(path).split(">") for path in structure.keySet())
        _menus.clear()
        _menus[size] = {path[-1]: tuple(part.strip() for part in path) for path in paths}
    return _menus[size]


def list_commands() -> list[ModuleDescription]:
    """Describe all commands without trying them."""
    menus = menus_of_commands()
    return [_outline(title, menus) for title in sorted(imagej1_commands()) if title.strip("- 0123456789")]


def _outline(title: str, menus: Mapping[str, tuple[str, ...]]) -> ModuleDescription:
    return ModuleDescription(
        IMAGEJ1_PREFIX + title, title, menus.get(title, ()), "imagej1", (_IMAGE, _OPTIONS), (_RESULT,)
    )


_described: dict[str, ModuleDescription] = {}


def describe_command(title: str) -> ModuleDescription:
    """Describe one command with the parameters that its dialog asks for.

    A command tells them only by opening its dialog, so it is run on a small picture, and its dialog writes down its
    fields and cancels. Commands that may touch files, the network or settings are not tried; they, and those of an
    ImageJ that another program started, whose dialogs cannot be listened to, have ``image`` and ``options`` only.

    Raises
    ------
    ModuleNotFoundInImageJError
        There is no such command; the message names the nearest.
    """
    command = command_of(title)
    if command is None:
        raise not_found(title, imagej1_commands())
    if title not in _described:
        outline = _outline(title, menus_of_commands())
        fields: list[DialogField] = []
        if _may_be_tried(outline, command):
            fields = call_imagej1(functools.partial(_try_out, title, command), title).value
        parameters: dict[str, ModuleParameter] = {}
        for field in fields:
            if field.key and field.key not in ("image", "options"):
                parameters.setdefault(field.key, _parameter(field))
        inputs = (_IMAGE, *parameters.values(), *(() if "stack" in parameters else (_STACK,)), _OPTIONS)
        _described[title] = ModuleDescription(
            outline.identifier, title, outline.menu, "imagej1", inputs, outline.outputs
        )
    return _described[title]


def _may_be_tried(outline: ModuleDescription, command: str) -> bool:
    return outline.menu_path.startswith(_DESCRIBED_MENUS) and not command.startswith(_NEVER_TRIED)


def _try_out(title: str, command: str) -> list[DialogField]:
    """Run a command on pictures of several types until it takes one; where it opens a dialog, it cancels itself."""
    for bits in ("8-bit", "32-bit", "RGB"):
        first = _dialog_of(title, command, bits, *_TRIED_PICTURES[0])
        if first is None:
            continue
        second = (_dialog_of(title, command, bits, *_TRIED_PICTURES[1]) if first else None) or []
        if len(first) != len(second):
            return first
        return [_common(one, other) for one, other in zip(first, second, strict=True)]
    return []


def _dialog_of(title: str, command: str, bits: str, size: int, planes: int) -> list[DialogField] | None:
    """Return the fields of the dialog that a command opens; none where it did without, None where it refused."""
    import jpype

    system = java_class("java.lang.System")
    picture = java_class("ij.IJ").createImage(_picture_name(size), f"{bits} ramp", size, size, planes)
    with imagej1_state([picture]), _recorded_fields() as recorded:
        system.setProperty(DESCRIBE_PROPERTY, "true")
        refused = False
        try:
            _run_plugin(title, command, " ")
        except jpype.JException as error:
            refused = True
            _log.debug("%s was tried on a %s picture: %s", title, bits, error)
        finally:
            system.clearProperty(DESCRIBE_PROPERTY)
        fields = recorded()
        return None if refused and not fields else fields


def _picture_name(size: int) -> str:
    return f"ij_omero-{size}"


def _common(one: DialogField, other: DialogField) -> DialogField:
    """Keep what two dialogs share."""
    return one._replace(
        value=one.value if one.value == other.value else None,
        low=one.low if one.low == other.low else None,
        high=one.high if one.high == other.high else None,
        items=one.items if one.items == other.items else (),
    )


class _recorded_fields:
    """The fields of the dialogs that open while this is open."""

    def __enter__(self) -> Callable[[], list[DialogField]]:
        fields = java_class("java.util.ArrayList")()
        java_class("java.lang.System").getProperties().put(FIELDS_PROPERTY, fields)
        return lambda: [_field(row) for row in fields]

    def __exit__(self, *_: object) -> None:
        java_class("java.lang.System").getProperties().remove(FIELDS_PROPERTY)


def _field(row: Any) -> DialogField:
    kind, label, value, low, high, items = row
    return DialogField(
        str(kind),
        str(label),
        _python_value(str(kind), value),
        None if low is None else float(low),
        None if high is None else float(high),
        () if items is None else tuple(str(item) for item in items),
    )


def _python_value(kind: str, value: Any) -> Any:
    if value is None:
        return None
    if kind == "number":
        return float(value)
    return bool(value) if kind == "flag" else str(value)


def _parameter(field: DialogField) -> ModuleParameter:
    java_type = {"number": "double", "flag": "boolean"}.get(field.kind, "java.lang.String")
    # a flag that is left out is off, whatever the dialog would have shown
    default = False if field.kind == "flag" else field.value
    label = field.label.strip().rstrip(":")
    return ModuleParameter(
        field.key,
        java_type,
        label,
        required=False,
        default=default,
        minimum=field.low,
        maximum=field.high,
        choices=field.items,
    )


def run_command(
    title: str,
    images: Sequence[Any] = (),
    inputs: Mapping[str, Any] | None = None,
    *,
    options: str | None = None,
    selection: Roi | Shape | None = None,
    timeout: float | None = None,
    described: ModuleDescription | None = None,
) -> CommandRun:
    """Run one of ImageJ 1's commands; see :func:`ij_omero.imagej.run_module`."""
    command = command_of(title)
    if command is None:
        raise not_found(title, imagej1_commands())
    given = dict(inputs or {})
    if options is not None and given:
        raise InvalidInputError(
            f"{title} got both an options text and the inputs {', '.join(map(repr, given))}; give one or the other"
        )
    opened = [to_imageplus(image) for image in images]
    if options is None:
        given = _checked(described or describe_command(title), given, opened)
    text = options if options is not None else options_text(given)
    selected = _select(opened, selection)
    strict = options is None

    def work() -> CommandRun:
        with imagej1_state(opened) as state, _recorded_fields() as recorded:
            try:
                with _masking_threshold(title, opened, given):
                    _run_plugin(title, command, text + " ")
            except Exception:
                _refuse_bad_fields(title, recorded())
                raise
            if strict:
                _refuse_unknown(title, text, recorded())
            _raise_reported(title)
            return collect(state, title, selected)

    outcome = call_imagej1(work, title, timeout=timeout)
    return outcome.value._replace(log=outcome.log)


def _checked(described: ModuleDescription, inputs: dict[str, Any], opened: Sequence[Any]) -> dict[str, Any]:
    """Check inputs against what the command asks for, where that is known; work on whole stacks unless told not to."""
    known = {parameter.name for parameter in described.inputs}
    names = {name: name if name in known else name.lower() for name in inputs}
    inputs = {names[name]: value for name, value in inputs.items()}
    if len(known) > 3:
        for name, value in inputs.items():
            parameter = described.input(name)
            # texts take numbers and ranges as well
            if parameter.java_type != "java.lang.String" or parameter.choices:
                parameter.check(value, described.title)
    several = any(int(imp.getStackSize()) > 1 for imp in opened)
    if several and described.input("stack") == _STACK:
        inputs.setdefault("stack", True)
    return inputs


def _select(opened: Sequence[Any], selection: Roi | Shape | None) -> Any:
    """Make a ROI the selection of the first image."""
    if selection is None:
        return None
    if not opened:
        raise InvalidInputError("a selection needs an image that it is made on; give one")
    rois = to_imagej_rois(selection, opened[0])
    if len(rois) != 1:
        raise InvalidInputError(f"a selection is one shape; this ROI has {len(rois)}")
    opened[0].setRoi(rois[0])
    return rois[0]


def _run_plugin(title: str, command: str, options: str) -> None:
    """Run a command's class as ``IJ.run`` does, but let its exceptions out."""
    parts = _COMMAND.match(command)
    if parts is None:
        raise ModuleNotFoundInImageJError(f"ImageJ's command {title!r} is {command!r}, which names no class")
    java_class("ij.Macro").setOptions(options)
    java_class("ij.IJ").runPlugIn(title, parts["name"], parts["argument"] or "")


@contextmanager
def _masking_threshold(title: str, opened: Sequence[Any], inputs: Mapping[str, Any]) -> Iterator[None]:
    """Let method and background of a masking command count where ImageJ 1 would take the image's own threshold.

    It does so for a single plane (it asks for them for stacks only), and for a stack unless each plane is to have its
    own threshold (``calculate``); with a screen, the dialog sets that threshold while it is filled in.
    """
    if title not in _MASKING or len(opened) != 1 or inputs.get("calculate"):
        yield
        return
    preferences = java_class("ij.Prefs")
    black = bool(preferences.blackBackground)
    try:
        if "black" in inputs:
            preferences.blackBackground = bool(inputs["black"])
        if "method" in inputs or "background" in inputs:
            dark = " dark" if str(inputs.get("background", "Dark")) == "Dark" else ""
            java_class("ij.IJ").setAutoThreshold(opened[0], f"{inputs.get('method', 'Default')}{dark}")
        yield
    finally:
        preferences.blackBackground = black


def _refuse_bad_fields(title: str, fields: Sequence[DialogField]) -> None:
    for field in fields:
        if field.kind == "bad number":
            raise InvalidInputError(
                f"input {field.key!r} of {title} is {field.value!r}, which is no number; expected a number "
                f"({field.label.strip()})"
            )
        if field.kind == "bad choice":
            raise InvalidInputError(
                f"input {field.key!r} of {title} is {field.value!r}, which is none of the choices; "
                f"expected one of {', '.join(map(repr, field.items))}"
            )


def _refuse_unknown(title: str, text: str, fields: Sequence[DialogField]) -> None:
    """Refuse an input that no dialog of the command asked for: it had no effect."""
    known = {field.key for field in fields}
    keys, flags = option_names(text)
    if not known:
        if keys and title not in _MASKING:
            _log.warning("%s opened no dialog for this image, so it may have left out %s", title, ", ".join(keys))
        return
    for name in [*keys, *(flag for flag in flags if flag != "stack")]:
        if name not in known:
            raise InvalidInputError(
                f"{title} has no input {name!r}; it has {', '.join(map(repr, sorted(filter(None, known))))}"
            )


def _raise_reported(title: str) -> None:
    """Raise an error that the command reported without stopping at it."""
    from ij_omero.errors import ImageJError

    reported = java_class("ij.IJ").getErrorMessage()
    if reported is not None:
        raise ImageJError(f"{title} failed: {one_line(str(reported))}")


def collect(state: ImageJ1State, title: str, selected: Any = None) -> CommandRun:
    """Gather what a call left: images, the results table, and ROIs of manager, overlays and new selections."""
    images = state.result_images
    active = state.active_image
    if active is not None and any(active.equals(imp) for imp in images):
        images = [active, *(imp for imp in images if not active.equals(imp))]
    results = state.results_table
    table = from_results_table(results, title.rstrip(".")) if results is not None and int(results.size()) else None
    rois = from_imagej_rois(state.managed_rois, active)
    if not rois:
        for imp in images:
            rois.extend(read_overlay(imp))
            drawn = imp.getRoi()
            if drawn is not None and (selected is None or not drawn.equals(selected)):
                rois.extend(from_imagej_rois([drawn], imp))
    return CommandRun(images, table, rois, "")
