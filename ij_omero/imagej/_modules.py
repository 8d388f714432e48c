"""Modules of any kind under one roof: list, find, run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ij_omero.errors import InvalidInputError

from ._commands import (
    IMAGEJ1_PREFIX,
    command_of,
    describe_command,
    imagej1_commands,
    list_commands,
    run_command,
)
from ._description import ModuleDescription, not_found
from ._macros import image_list
from ._result import ModuleResult
from ._scijava import describe_info, module_infos, run_info

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ij_omero.model import Roi, Shape

_IMAGE_INPUTS = ("image", "images")


def modules() -> list[ModuleDescription]:
    """List everything that ImageJ can run: SciJava modules (with their parameters) and ImageJ 1's commands.

    An ImageJ 1 command tells its own parameters only when asked for it alone, by :func:`find_module`.

    Raises
    ------
    MissingDependencyError, SetupError, ImageJError
        ImageJ cannot be started.
    """
    return [describe_info(info) for info in module_infos()] + list_commands()


def find_module(name: str) -> ModuleDescription:
    """Describe one module with all its parameters.

    Parameters
    ----------
    name
        Its identifier or title, as :func:`modules` gives it; the last entry of its menu, all of them joined by ``>``
        and the name of its class do as well. Where two have one name, ImageJ 1's command is taken for a title, since
        those are what macros name.

    Raises
    ------
    ModuleNotFoundInImageJError
        There is none; the message names the nearest.
    """
    if _command_title(name) is not None:
        return describe_command(_command_title(name) or name)
    return describe_info(_info(name))


def run_module(
    module: str | ModuleDescription,
    inputs: Mapping[str, Any] | None = None,
    *,
    images: Sequence[Any] | Any = (),
    options: str | None = None,
    selection: Roi | Shape | None = None,
    timeout: float | None = None,
) -> ModuleResult:
    """Run a module.

    Parameters
    ----------
    module
        An identifier, a title, or what :func:`find_module` returned, which saves asking an ImageJ 1 command again.
    inputs
        Values by name. Images are arrays of (Y, X) to (T, C, Z, Y, X), :class:`ImageArray`, Datasets, ImagePlus, or
        ``ij_omero``'s images; tables and ROIs are those of ``ij_omero.model``. For an ImageJ 1 command the keys of its
        macro options: ``{"sigma": 2}``; ``True`` sets a flag, ``(10, inf)`` is a range. It works on the whole stack
        unless ``"stack": False`` says otherwise.
    images
        Images for the module's image inputs in their order (ImageJ 1: what is open, the first one active).
    options
        An ImageJ 1 command's options as a macro writes them, taken as they are, in place of `inputs`.
    selection
        What an ImageJ 1 command finds selected on the first image.
    timeout
        Seconds; without it there is no limit.

    Returns
    -------
    ModuleResult
        An ImageJ 1 command's images are those that it opened, or else those it was given, as it left them (arrays are
        copied, so the caller's stay as they are; an ImagePlus is changed).

    Raises
    ------
    ModuleNotFoundInImageJError
        There is no such module.
    InvalidInputError
        An input is unknown, missing, of the wrong type or out of range; the message names it and what is allowed.
    ImageJError
        The module failed, with ImageJ's own text, or wants a dialog or a window.
    ModuleCanceledError
        The module canceled itself.
    OperationTimeoutError
        It did not end within `timeout`.
    """
    name = module.identifier if isinstance(module, ModuleDescription) else module
    given = dict(inputs or {})
    title = _command_title(name)
    if title is None:
        if options is not None or selection is not None:
            raise InvalidInputError(f"options and selection are for ImageJ 1's commands; {name!r} takes named inputs")
        return _run_scijava(name, given, image_list(images), timeout)
    opened = image_list(images)
    for key in _IMAGE_INPUTS:
        if key in given:
            opened.extend(image_list(given.pop(key)))
    if "options" in given:
        options = str(given.pop("options") or "") or options
    known = module if isinstance(module, ModuleDescription) else None
    run = run_command(title, opened, given, options=options, selection=selection, timeout=timeout, described=known)
    return ModuleResult(
        images=run.images, tables=[run.table] if run.table is not None else [], rois=run.rois, log=run.log
    )


def _command_title(name: str) -> str | None:
    """Return the title of an ImageJ 1 command, or None where a name is none."""
    title = name.removeprefix(IMAGEJ1_PREFIX)
    if command_of(title) is not None:
        return title
    if name.startswith(IMAGEJ1_PREFIX):
        raise not_found(title, imagej1_commands())
    return None


def _info(name: str) -> Any:
    infos = module_infos()
    titles = []
    for info in infos:
        delegate = str(info.getDelegateClassName() or "")
        title = str(info.getTitle() or delegate)
        known = {str(info.getIdentifier() or ""), delegate, f"command:{delegate}", title, delegate.rsplit(".", 1)[-1]}
        if info.getMenuPath() is not None:
            known.add(">".join(str(entry.getName()) for entry in info.getMenuPath()))
        if name in known:
            return info
        titles.append(title)
    raise not_found(name, [*titles, *imagej1_commands()])


def _run_scijava(name: str, inputs: dict[str, Any], images: list[Any], timeout: float | None) -> ModuleResult:
    info = _info(name)
    description = describe_info(info)
    free = [parameter.name for parameter in description.inputs if parameter.is_image and parameter.name not in inputs]
    if len(images) > len(free):
        raise InvalidInputError(
            f"{description.title} takes {len(free)} more image{'s' if len(free) != 1 else ''} "
            f"({', '.join(free) or 'none'}), but {len(images)} were given"
        )
    inputs.update(zip(free, images, strict=False))
    return run_info(info, description, inputs, timeout=timeout)
