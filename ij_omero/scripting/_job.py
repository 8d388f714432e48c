"""The body of a wrapper: joins the job's session, runs the module for every image, brings everything back to OMERO.

What takes long to import is imported while Java starts.
"""

from __future__ import annotations

import contextlib
import functools
import logging
import os
import signal
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from ij_omero.errors import IJOmeroError, InvalidInputError, OperationTimeoutError, ScriptError

from ._ahead import start_imagej_ahead
from ._described import described_module
from ._marking import shown_file, shown_image
from ._parameters import DATA_TYPE, DATASET_ID, IDS, MESSAGE_KEY, NEW_IMAGE, TABLE_FILE, script_parameters
from ._selection import check_dataset, images_of, places_of
from ._types import Role
from ._values import module_value, rtype_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from concurrent.futures import Future

    from ._description import WrappedModule
    from ._parameters import ScriptParameters
    from ._saving import Saved, Saver
    from ._selection import Place

T = TypeVar("T")
_log = logging.getLogger("ij_omero.job")
_KEEP_ALIVE_S = 60
_DEFAULT_LIMIT_S = 3600.0  # omero.scripts.timeout, unless the server says otherwise
INTERRUPTED = 130  # what a shell reports of a process that SIGINT ended
STOPPED = 124  # what timeout(1) says
_STOPPED = (
    "it was stopped, since the server ends scripts after {} (omero.scripts.timeout); "
    "give it less to do, or ask for a longer limit"
)
_ENDED = (
    "the job was ended from outside, by its user or since it ran into the server's time limit for scripts "
    "(omero.scripts.timeout); what was saved before is complete, and nothing half-made stays"
)
_VANISHED = (
    "Failed: the process ended before the job did: it was killed, for example since the machine ran out of memory, or "
    "Java crashed. What was saved before is complete; an image that was being written is marked as unfinished."
)
_MARGIN_S = 20.0  # what is left of the time limit for saving and reporting, a quarter of a short limit


@dataclass
class _Progress:
    """What became of the runs."""

    done: list[Saved] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    skipped: list[str] = field(default_factory=list)
    stopped: bool = False

    @property
    def exit_code(self) -> int:
        if self.stopped:
            return STOPPED
        return 1 if self.failed or self.skipped else 0


def run_here(client: Any, identifier: str, described: Mapping[str, Any] | None = None) -> int:
    """Run a job in this process; see `run_job`."""
    import Ice
    import omero.clients  # noqa: F401 - the classes of omero.model are there only after it
    from omero.rtypes import rstring

    _log_to_streams()
    started = time.monotonic()
    with _ended_by_signals(), tempfile.TemporaryDirectory(prefix="ij-omero-edits-") as edits:
        try:
            client.enableKeepAlive(_KEEP_ALIVE_S)
            if described is None:
                from ._modules import find_wrapped_module

                module = find_wrapped_module(identifier)
            else:
                module = described_module(identifier, described)
            service, session = client.sf.getSessionService(), client.getSessionId()
            # a process that is killed can tell nobody, so what is to be told then stands there until the end
            foretold = service.begin_setOutput(session, MESSAGE_KEY, rstring(_VANISHED))
            try:
                progress, outputs = _run_all(client, module, started, edits)
            finally:
                with contextlib.suppress(Ice.Exception):  # what comes next on a session that is gone tells better
                    service.end_setOutput(foretold)
            for key, value in outputs.items():
                service.setOutput(session, key, value)
            return progress.exit_code
        except KeyboardInterrupt:
            _fail(client, ScriptError(_ENDED))
            return INTERRUPTED
        except Exception as error:
            _fail(client, error)
            return 1
        finally:
            client.closeSession()


def _run_all(client: Any, module: WrappedModule, started: float, edits: str) -> tuple[_Progress, dict[str, Any]]:
    parameters = script_parameters(module)
    given = _inputs_of(client)
    unknown = set(given) - {one.key for one in parameters.inputs}
    if unknown:
        raise ScriptError(
            f"{module.title} has no input {', '.join(sorted(unknown))} any more; generate the scripts again"
        )
    values = _module_values(module, parameters, given)
    runs = _runs(client, parameters, module, given)
    places = places_of(client, [image for run in runs for image in run.values()])
    if given.get(DATASET_ID):
        check_dataset(client, given[DATASET_ID], places.values())
    start_imagej_ahead(module.identifier)
    from ij_omero.cells import EDITS_VARIABLE

    from ._saving import Saver

    # what a job edited is worth nothing once the job is gone, and the server's user may have no home
    os.environ[EDITS_VARIABLE] = edits
    several = len(runs) > 1
    asked = _beside(functools.partial(_time_limit, client))
    job = _JobMessage(client, several=several)
    progress = _Progress()
    with Saver(client, module, functools.partial(_marks, module, values), given.get(DATASET_ID)) as saver:
        longest, limit = 0.0, asked.result()
        last = limit - min(_MARGIN_S, limit / 4)
        for number, run in enumerate(runs, 1):
            what = ", ".join(f"{places[one].name} ({one})" for one in run.values()) or module.title
            spent = time.monotonic() - started
            if number > 1 and spent + longest > last:
                progress.skipped.append(what)
                continue
            job.say(f"{module.title}: {number} of {len(runs)}, {what}")
            try:
                progress.done.append(_run_one(saver, module, parameters, values, run, places, last - spent))
            except OperationTimeoutError as error:
                progress.failed[what] = _STOPPED.format(_duration(limit))
                progress.stopped = True
                _log.error("%s failed: %s", what, error)
            except Exception as error:  # whatever one image meets, the others are still done
                progress.failed[what] = _said(error) + ("" if run else _without_images(parameters))
                _log.error("%s failed: %s", what, _said(error), exc_info=_is_unforeseen(error))
            longest = max(longest, time.monotonic() - started - spent)
    message = _message(module, progress, len(runs), limit)
    job.conclude(message)
    return progress, _outputs(module.title, parameters, progress, message)


def _run_one(
    saver: Saver,
    module: WrappedModule,
    parameters: ScriptParameters,
    values: Mapping[str, Any],
    run: Mapping[str, int],
    places: Mapping[int, Place],
    timeout: float,
) -> Saved:
    """Run the module once and save what comes out."""
    from ._modules import run_wrapped_module

    with contextlib.ExitStack() as opened:
        inputs = dict(values)
        own = [places[one] for one in run.values()]
        images = {name: opened.enter_context(saver.opened(one, places[one])) for name, one in run.items()}
        inputs.update(images)
        for parameter in parameters.inputs:
            name = parameter.source or ""
            if name in values and parameter.role in (Role.TABLE, Role.ROIS, Role.ROI):
                inputs[name] = saver.read(parameter.role, values[name])
        result = run_wrapped_module(module, inputs, timeout=max(1.0, timeout))
        if result.log:
            _log.info("%s", result.log)
        return saver.save(result, own, list(images.values()))


def _beside(work: Callable[[], T]) -> Future[T]:
    """Do something on another thread, and give its result when it is asked for."""
    executor = ThreadPoolExecutor(1)
    try:
        return executor.submit(work)
    finally:
        executor.shutdown(wait=False)


def _inputs_of(client: Any) -> dict[str, Any]:
    from omero.rtypes import unwrap

    # all at once: `client.getInput` takes the server two calls for each
    found = client.sf.getSessionService().getInputs(client.getSessionId())
    given = {key: unwrap(value) for key, value in found.items()}
    # OMERO.web sends fields that were left empty as empty texts
    return {key: value for key, value in given.items() if value is not None and value != []}


def _without_images(parameters: ScriptParameters) -> str:
    """Say what may have been missing: commands of ImageJ 1 do not tell whether they need an image."""
    keys = " and ".join(one.key for one in parameters.images)
    return f"; no image was given: set {IDS} (with {DATA_TYPE}) or {keys}" if keys else ""


def _module_values(module: WrappedModule, parameters: ScriptParameters, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the module's inputs, images excepted."""
    described = {item.name: item for item in module.inputs}
    return {
        one.source: module_value(one, described[one.source], given[one.key])
        for one in parameters.inputs
        if one.source is not None and one.role is not Role.IMAGE and one.key in given
    }


def _runs(
    client: Any, parameters: ScriptParameters, module: WrappedModule, given: Mapping[str, Any]
) -> list[dict[str, int]]:
    """Return for each run which image goes into which input of the module."""
    inputs = parameters.images
    if not inputs:
        return [{}]
    named = {str(one.source): int(given[one.key]) for one in inputs if one.key in given}
    open_inputs = [str(one.source) for one in inputs if str(one.source) not in named]
    ids = [int(one) for one in given.get(IDS, [])]
    if ids and not open_inputs:
        keys = " or ".join(one.key for one in inputs)
        raise InvalidInputError(f"images are named twice, by {IDS} and by {keys}; give one of them")
    images = images_of(client, str(given.get(DATA_TYPE, "Image")), ids)
    required = {item.name for item in module.inputs if item.required}
    if not images:
        missing = [one.key for one in inputs if one.source in open_inputs and one.source in required]
        if missing:
            raise InvalidInputError(f"no image is given: set {IDS} (with {DATA_TYPE}) or {' and '.join(missing)}")
        return [named]
    each = len(open_inputs)
    if len(images) % each:
        raise InvalidInputError(
            f"{module.title} takes {each} images for each run ({', '.join(open_inputs)}), and {IDS} name {len(images)}"
        )
    groups = [images[start : start + each] for start in range(0, len(images), each)]
    return [{**named, **dict(zip(open_inputs, group, strict=True))} for group in groups]


def _marks(module: WrappedModule, values: Mapping[str, Any]) -> list[tuple[str, str]]:
    from ij_omero import __version__

    from ._modules import version_of

    pairs = [("Module", module.title), ("Identifier", module.identifier)]
    version = version_of(module.identifier) or module.version
    if version:
        pairs.append(("Version", version))
    pairs += [(name, str(value)) for name, value in values.items()]
    return [*pairs, ("ij_omero", __version__)]


def _outputs(title: str, parameters: ScriptParameters, progress: _Progress, message: str) -> dict[str, Any]:
    """Return the script's outputs: as declared after one run, lists of them after several."""
    from omero.rtypes import rstring

    outputs: dict[str, Any] = {}
    for one in parameters.outputs:
        found = [saved.outputs[one.source] for saved in progress.done if one.source in saved.outputs]
        if found:
            outputs[one.key] = rtype_of(found[0], one.kind) if len(progress.done) == 1 else rtype_of(found)
    images = [image for saved in progress.done for image in saved.image_ids]
    names = [name for saved in progress.done for name in saved.image_names]
    if images:
        outputs["Image_IDs"] = rtype_of_ids(images)
        outputs.setdefault("Image_ID", rtype_of_ids(images[:1]).val[0])
        outputs[NEW_IMAGE] = shown_image(images[0], names[0])
    tables = [table for saved in progress.done for table in saved.table_ids]
    if tables:
        outputs["Table_IDs"] = rtype_of_ids(tables)
    attachments = [pair for saved in progress.done for pair in zip(saved.attachment_ids, saved.table_ids, strict=False)]
    if attachments:
        outputs[TABLE_FILE] = shown_file(*attachments[0], f"{title} table")
    rois = [roi for saved in progress.done for roi in saved.roi_ids]
    if rois:
        outputs["ROI_IDs"] = rtype_of_ids(rois)
    outputs[MESSAGE_KEY] = rstring(message)
    return outputs


def rtype_of_ids(ids: Sequence[int]) -> Any:
    """Return ids as a list of RLong."""
    from omero.rtypes import rlist, rlong

    return rlist([rlong(one) for one in ids])


def _message(module: WrappedModule, progress: _Progress, runs: int, limit: float) -> str:
    """Say what was done, for people."""
    images = [str(image) for saved in progress.done for image in saved.image_ids]
    tables = sum(len(saved.table_ids) for saved in progress.done)
    rois = sum(len(saved.roi_ids) for saved in progress.done)
    values = [f"{name}: {text}" for saved in progress.done[:1] for name, text in saved.texts.items()]
    count = "done" if runs == 1 and progress.done else f"{len(progress.done)} of {runs} done"
    made = [
        f"new image{'s' * (len(images) > 1)} {', '.join(images[:20])}{' ...' * (len(images) > 20)}" if images else "",
        f"{tables} table{'s' * (tables > 1)}" if tables else "",
        f"{rois} ROI{'s' * (rois > 1)}" if rois else "",
    ]
    said = ", ".join(part for part in made if part)
    lines = [f"{module.title}: {count}{': ' * bool(said)}{said}.", *values]
    if progress.done and not (said or values):
        lines.append("It left no image, table, ROIs or values; other settings may.")
    lines += [f"Failed: {what}: {why}" for what, why in progress.failed.items()]
    if progress.skipped:
        lines.append(
            f"Not begun, since the server ends scripts after {_duration(limit)}: {', '.join(progress.skipped)}. "
            "Run the script again on these, or ask for a longer omero.scripts.timeout."
        )
    lines += [warning for saved in progress.done for warning in saved.warnings]
    return "\n".join(dict.fromkeys(lines))


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} seconds" if seconds < 120 else f"{seconds / 60:.0f} minutes"


class _JobMessage:
    """What is told while a job runs: its message on the server, which clients show while they wait, and what it prints.

    A single run on a server prints nothing of its own, for ``Message`` says all of it, and the server keeps what a
    script prints as a file, which takes it and the client ten calls.

    Parameters
    ----------
    client
        The job's client.
    several
        Whether there is progress to tell of; telling takes the server five calls.
    """

    def __init__(self, client: Any, *, several: bool) -> None:
        self._client = client
        self._last = 0.0
        self._several = several
        self._job = client.getProperty("omero.job")
        self._prints = several or not self._job

    def conclude(self, message: str) -> None:
        """Tell what was done."""
        if self._prints:
            _log.info("%s", message)

    def say(self, text: str) -> None:
        """Log the text and make it the job's message, at most twice a second, where the server takes one."""
        if self._prints:
            _log.info("%s", text)
        if not self._several or not self._job or time.monotonic() - self._last < 0.5:
            return
        self._last = time.monotonic()
        import Ice
        import omero

        try:
            context = self._client.sf.getAdminService().getEventContext()
            group = {"omero.group": str(context.groupId)}
            handle = self._client.sf.createJobHandle(group)
            try:
                handle.attach(int(self._job), group)
                handle.setMessage(text[:250], group)
            finally:
                handle.close(group)
        except (omero.ServerError, Ice.Exception) as error:
            _log.debug("the job's message could not be set: %s", error)
            self._job = ""


def _time_limit(client: Any) -> float:
    """Return how many seconds the server gives a script."""
    import omero

    try:
        text = client.sf.getConfigService().getConfigValue("omero.scripts.timeout")
        return float(text) / 1000 if text else _DEFAULT_LIMIT_S
    except (omero.ServerError, ValueError):  # a normal user may not ask
        return _DEFAULT_LIMIT_S


def _fail(client: Any, error: Exception) -> None:
    """Say why the script failed: on standard error, and as its message."""
    import Ice
    import omero
    from omero.rtypes import rstring

    _log.error("%s", _said(error), exc_info=_is_unforeseen(error))
    with contextlib.suppress(omero.ServerError, Ice.Exception):  # without a session there is nobody to tell
        client.setOutput(MESSAGE_KEY, rstring(f"Failed: {_said(error)}"))


def _said(error: Exception) -> str:
    """Return an error's own words; a server's exception has them in ``message``."""
    words = getattr(error, "message", None) or str(error)
    text = " ".join(str(words).split())
    return f"{type(error).__name__}: {text}" if _is_unforeseen(error) else text


def _is_unforeseen(error: Exception) -> bool:
    return not isinstance(error, (IJOmeroError, OSError))


def _log_to_streams() -> None:
    """Let the job's log be what the script prints: what happens on standard output, what fails on standard error."""
    if _log.handlers:
        return
    out, err = logging.StreamHandler(sys.stdout), logging.StreamHandler(sys.stderr)
    out.addFilter(lambda record: record.levelno < logging.WARNING)
    err.setLevel(logging.WARNING)
    for handler in (out, err):
        handler.setFormatter(logging.Formatter("%(message)s"))
        _log.addHandler(handler)
    _log.setLevel(logging.INFO)
    _log.propagate = False


@contextlib.contextmanager
def _ended_by_signals() -> Iterator[None]:
    """Let the processor's SIGTERM end the script in order, so that a half-written image is taken back."""

    def end(number: int, frame: object) -> None:
        raise KeyboardInterrupt(f"signal {number}")

    try:
        before = signal.signal(signal.SIGTERM, end)
    except ValueError:  # not the main thread: a test, or a worker
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
