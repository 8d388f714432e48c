"""``#@`` scripts: macros with typed parameters, and scripts of whatever languages this ImageJ has."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ij_omero.errors import ImageJError, InvalidInputError

from ._description import ModuleDescription
from ._macros import image_list, run_macro
from ._runtime import IMAGEJ_VARIABLE, java_class, start
from ._scijava import describe_info, run_info

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ._description import ModuleKind
    from ._result import ModuleResult

_IMAGEJ1_TYPES = ("ij.ImagePlus", "ij.measure.ResultsTable", "ij.gui.Roi", "ij.gui.Overlay")
_MACRO_NAMES = {"ijm", "ij1", "imagej macro", "ij1 macro", "macro", "txt"}


def describe_script(script: str | Path, language: str | None = None) -> ModuleDescription:
    """Describe a script by its ``#@`` lines; the language need not be installed.

    Parameters
    ----------
    script
        A path, or the text itself.
    language
        The language's name or file extension; the path's extension without it.
    """
    name, text = _read(script, language)
    described = describe_info(_script_info(name, text))
    kind: ModuleKind = "macro" if _is_macro(name) else "script"
    return ModuleDescription(
        f"script:{name}", Path(name).name, (), kind, described.inputs, described.outputs, described.description
    )


def run_script(
    script: str | Path,
    language: str | None = None,
    inputs: Mapping[str, Any] | None = None,
    *,
    images: Sequence[Any] | Any = (),
    timeout: float | None = None,
) -> ModuleResult:
    """Run a ``#@`` script.

    Parameters
    ----------
    script
        A path, or the text itself (which then needs `language`).
    language
        ``"ijm"`` for ImageJ's macro language, which is always there, or the name or file extension of a language of
        this ImageJ; the path's extension without it.
    inputs
        Values of its ``#@`` parameters by name. Image parameters of a macro are opened for it, the first one active.
    images
        Images for its image parameters in their order; a macro without such finds them open.
    timeout
        Seconds; without it there is no limit.

    Raises
    ------
    InvalidInputError
        A parameter is unknown, missing, of the wrong type or out of range, or the language is not named.
    ImageJError
        The script failed, or this ImageJ lacks the language.
    """
    name, text = _read(script, language)
    given = dict(inputs or {})
    pictures = image_list(images)
    start()
    info = _script_info(name, text)
    description = describe_script(text, Path(name).suffix.lstrip("."))
    free = [parameter.name for parameter in description.inputs if parameter.is_image and parameter.name not in given]
    taken = dict(zip(free, pictures, strict=False))
    given.update(taken)
    rest = pictures[len(taken) :]
    if _is_macro(name):
        return _run_as_macro(text, description, given, rest, timeout)
    if rest:
        raise InvalidInputError(f"{name} has {len(free)} image parameters, but {len(pictures)} images were given")
    _require_language(info, name)
    return run_info(info, describe_info(info), given, timeout=timeout)


def _read(script: str | Path, language: str | None) -> tuple[str, str]:
    """Return a script's file name and text."""
    extension = language.strip().lstrip(".") if language else None
    path = script if isinstance(script, Path) else _path_of(script)
    if path is not None:
        try:
            text = path.expanduser().read_text(encoding="utf-8")
        except OSError as error:
            raise InvalidInputError(f"the script {path} cannot be read: {error.strerror or error}") from error
        name = path.name
    else:
        text, name = str(script), "script"
        if not extension:
            raise InvalidInputError("a script given as text needs its language, such as language='ijm'")
    if extension:
        name = f"{Path(name).stem}.{_extension(extension)}"
    return name, text


def _path_of(script: str) -> Path | None:
    """Return the path that a short text names, where it does."""
    if "\n" in script or len(script) > 1000 or not Path(script).suffix:
        return None
    path = Path(script).expanduser()
    return path if path.is_file() else None


def _extension(language: str) -> str:
    """Return a file extension of a language that is named in any way."""
    if language.lower() in _MACRO_NAMES:
        return "ijm"
    service = start().service("org.scijava.script.ScriptService")
    for known in service.getLanguages():
        names = {str(entry).lower() for entry in known.getNames()} | {str(known.getLanguageName()).lower()}
        if language.lower() in names and known.getExtensions().size():
            return str(known.getExtensions().get(0))
    return language.lower()


def _is_macro(name: str) -> bool:
    return Path(name).suffix.lower() in (".ijm", ".txt")


def _script_info(name: str, text: str) -> Any:
    import jpype

    context = start().context
    _know_imagej1_types()
    reader = jpype.JClass("java.io.StringReader")(text)
    try:
        info = java_class("org.scijava.script.ScriptInfo")(context, name, reader)
        info.inputs()
    except jpype.JException as error:
        raise InvalidInputError(f"the #@ parameters of {name} cannot be read: {error}") from error
    return info


def _know_imagej1_types() -> None:
    """Let ``#@ ImagePlus`` name a class, as imagej-legacy does; a type that has no name is passed over in silence."""
    service = start().service("org.scijava.script.ScriptService")
    known = service.getAliases()
    for name in _IMAGEJ1_TYPES:
        short = name.rpartition(".")[2]
        if not known.containsKey(short):
            service.addAlias(short, java_class(name).class_)


def _require_language(info: Any, name: str) -> None:
    service = start().service("org.scijava.script.ScriptService")
    if service.getLanguageByExtension(Path(name).suffix.lstrip(".")) is None and info.getLanguage() is None:
        known = sorted(str(language.getLanguageName()) for language in service.getLanguages())
        raise ImageJError(
            f"this ImageJ has no script language for {name} (it has ImageJ's macro language"
            f"{', ' + ', '.join(known) if known else ' only'}); set {IMAGEJ_VARIABLE} to a Fiji folder, "
            "which has Groovy, Jython, JavaScript and others"
        )


def _run_as_macro(
    text: str,
    description: ModuleDescription,
    inputs: dict[str, Any],
    pictures: list[Any],
    timeout: float | None,
) -> ModuleResult:
    """Run a macro with its ``#@`` parameters as variables, and its outputs read from variables at its end."""
    description.check(inputs)
    opened = [
        inputs[parameter.name] for parameter in description.inputs if parameter.is_image and parameter.name in inputs
    ]
    variables = {}
    for parameter in description.inputs:
        value = inputs.get(parameter.name, parameter.default)
        if value is not None and not parameter.is_image:
            variables[parameter.name] = value
    body = "\n".join("" if line.lstrip().startswith("#@") else line for line in text.splitlines())
    return run_macro(
        body,
        [*opened, *pictures],
        variables=variables,
        timeout=timeout,
        outputs=[parameter.name for parameter in description.outputs if not parameter.is_image],
    )
