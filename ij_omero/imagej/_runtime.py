"""The Java runtime that this process works with: one JVM, one SciJava context, started when first needed.

Two class paths, one code path. *Embedded*: ``net.imagej``, imglib2, scijava-common and ImageJ 1 as this package's
set-up fetched them. *Full*: the user's Fiji folder, a PyImageJ gateway that already runs, or whatever
PyImageJ resolves.
"""

from __future__ import annotations

import atexit
import functools
import logging
import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ij_omero.errors import IJOmeroError, ImageJError, InvalidInputError, MissingDependencyError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ij_omero.provision import Java

IMAGEJ_VARIABLE = "IJ_OMERO_IMAGEJ"
HEAP_VARIABLE = "IJ_OMERO_MAX_HEAP"
EMBEDDED = "embedded"
STARTED_GROUP = "ij_omero.imagej_started"

_log = logging.getLogger(__name__)
_lock = threading.RLock()
_preferences_log: Any = None
_current: Runtime | None = None
_DISPOSE_S = 5.0
# Signals stay Python's: at SIGTERM a JVM would end itself under a Python that still runs, and the process crashed.
_OWN_SIGNALS = "-Xrs"
# Collecting garbage by several threads pays after seconds only, and so does compiling again, and better, what is not
# one long loop: that waits for ten times as many calls as Java would.
_BRIEF = (
    "-XX:+UseSerialGC",
    "-XX:Tier4InvocationThreshold=50000",
    "-XX:Tier4MinInvocationThreshold=6000",
    "-XX:Tier4CompileThreshold=150000",
)
_QUEUE_MS = 2000
_PATCHED = "ij1-headless-"  # how the jar of ImageJ 1's headless classes is called


class Runtime:
    """ImageJ in this process. Made by :func:`start`; there is one per process.

    Parameters
    ----------
    context
        The ``org.scijava.Context``; None for one that is made when it is first asked for.
    is_full
        Whether this is a complete ImageJ2 (``net.imagej.ImageJ`` with SCIFIO), not the embedded part of it.
    owns_context
        Whether the context is disposed when Python ends.
    """

    def __init__(self, context: Any = None, *, is_full: bool, owns_context: bool = True) -> None:
        self._context = context
        self._is_full = is_full
        self._owns_context = owns_context
        self._imagej1_ready = False

    @property
    def context(self) -> Any:
        """The ``org.scijava.Context``."""
        with _lock:
            if self._context is None:
                # ImageJ 1's commands do without, and it takes longer to make than they take to run
                self._context = _new_context()
                if _current is self:
                    _run_hooks()
            return self._context

    @property
    def is_full(self) -> bool:
        """Whether this is a complete ImageJ2, not the embedded part of it."""
        return self._is_full

    @property
    def java_version(self) -> str:
        """Java's version, such as ``"17.0.15"``."""
        return str(java_class("java.lang.System").getProperty("java.version"))

    @property
    def class_path(self) -> tuple[str, ...]:
        """The jars that the JVM was started with."""
        text = str(java_class("java.lang.System").getProperty("java.class.path"))
        return tuple(entry for entry in text.split(os.pathsep) if entry)

    @property
    def imagej1_version(self) -> str:
        """ImageJ 1's version, such as ``"1.54p"``."""
        return str(self.imagej1().getVersion())

    def service(self, name: str) -> Any:
        """Return a SciJava service by its interface's class name.

        Raises
        ------
        ImageJError
            The class path has no such service.
        """
        import jpype

        try:
            return self.context.service(jpype.JClass(name).class_)
        except (TypeError, jpype.JException) as error:
            raise ImageJError(
                f"this ImageJ has no service {name} ({error}); it may need a complete ImageJ2: "
                f"set {IMAGEJ_VARIABLE} to a Fiji folder before ImageJ is first used"
            ) from error

    def imagej1(self) -> Any:
        """Return ImageJ 1's class ``ij.IJ``, with its commands and preferences loaded."""
        with _lock:
            ij = java_class("ij.IJ")
            if not self._imagej1_ready:
                if java_class("ij.Menus").getCommands() is None:
                    ij.runPlugIn("ij.IJ.init", "")
                self._imagej1_ready = True
            return ij

    def __repr__(self) -> str:
        """Tell which ImageJ this is."""
        kind = "full" if self._is_full else "embedded"
        return f"<Runtime: {kind} ImageJ on Java {self.java_version}>"


def current() -> Runtime | None:
    """Return the runtime of this process, or None while none was started."""
    return _current


def _run_hooks() -> None:
    """Call what packages register in the entry point group ``ij_omero.imagej_started``, once SciJava's context is made.

    ImageJ works without it.
    """
    from importlib.metadata import entry_points

    import jpype

    for entry_point in entry_points(group=STARTED_GROUP):
        try:
            entry_point.load()()
        except (ImportError, IJOmeroError, AttributeError, TypeError, jpype.JException):
            _log.warning("what %s adds to ImageJ is missing", entry_point.value, exc_info=True)


@functools.cache
def java_class(name: str) -> Any:
    """Return a Java class by name; the JVM must run. Looked up once, since JPype takes half a millisecond for it.

    Raises
    ------
    ImageJError
        The class path has no such class.
    """
    import jpype

    try:
        return jpype.JClass(name)
    except TypeError as error:
        raise ImageJError(f"the Java class {name} is not on the class path of the running JVM") from error


def start(
    imagej: str | Path | object | None = None,
    *,
    max_heap: str | None = None,
    brief: bool = False,
    options: Sequence[str] = (),
) -> Runtime:
    """Start ImageJ in this process, or return the one that already runs.

    Parameters
    ----------
    imagej
        Which ImageJ: ``"embedded"``, the path of a Fiji folder, an ``imagej.init(...)`` gateway or SciJava context that
        already runs, or an endpoint for PyImageJ to resolve (such as ``"sc.fiji:fiji"``). Without it,
        ``$IJ_OMERO_IMAGEJ`` says; without that, a JVM that already runs is used, else the embedded ImageJ.
    max_heap
        The most memory for Java objects, such as ``"4g"``; ``$IJ_OMERO_MAX_HEAP`` without it, else a quarter of the
        machine's. Counts only where this call starts the JVM.
    brief
        Whether the process may do little and end soon: Java then starts with less work, compiles less eagerly and
        collects garbage by one thread. Counts only where this call starts the JVM.
    options
        Further options of Java, such as ``-Xss8m``. They count only where this call starts the JVM.

    Raises
    ------
    MissingDependencyError
        JPype, Java or PyImageJ is needed and not installed.
    InvalidInputError
        The folder is no ImageJ, or another ImageJ than this one already runs.
    ImageJError
        A JVM without ImageJ already runs in this process, or the JVM could not be started.
    """
    global _current
    with _lock:
        if _current is not None:
            _refuse_another(imagej, _current)
            return _current
        try:
            import jpype
        except ImportError as error:
            raise MissingDependencyError(
                "ImageJ needs the package jpype1, which is not installed: pip install 'ij-omero[imagej]'"
            ) from error
        wanted = imagej if imagej is not None else os.environ.get(IMAGEJ_VARIABLE) or None
        given = [*(_BRIEF if brief else ()), *options]
        if wanted is not None and not isinstance(wanted, (str, Path)):
            runtime = _from_gateway(wanted)
        elif jpype.isJVMStarted():
            runtime = _from_running_jvm()
        elif wanted is None or wanted == EMBEDDED:
            runtime = _start_embedded(max_heap, given)
        elif Path(wanted).expanduser().is_dir():
            runtime = _start_folder(Path(wanted).expanduser().resolve(), max_heap, given)
        else:
            runtime = _start_pyimagej(str(wanted), max_heap, options)
        # Hooks run last in, first out: this one comes before JPype's and scyjava's own.
        atexit.register(_shut_down)
        _current = runtime
        _log.info("%r", runtime)
        if runtime._context is not None:
            _run_hooks()
        return runtime


def _refuse_another(imagej: object, running: Runtime) -> None:
    """Refuse a gateway other than the one in use: a process has one JVM, and this package one context."""
    if imagej is None or isinstance(imagej, (str, Path)):
        return
    if not _context_of(imagej).equals(running.context):
        raise InvalidInputError(
            "another ImageJ than this gateway is already in use in this process; "
            "call ij_omero.imagej.start(gateway) before anything else that uses ImageJ"
        )


def _context_of(gateway: Any) -> Any:
    """Return the SciJava context of a gateway, or of a context itself."""
    import jpype

    if jpype.isJVMStarted():
        context_class = java_class("org.scijava.Context")
        if isinstance(gateway, context_class):
            return gateway
        context = gateway.context() if hasattr(gateway, "context") else None
        if isinstance(context, context_class):
            return context
    raise InvalidInputError(
        f"{type(gateway).__name__} is no ImageJ: expected a Fiji folder, a gateway that imagej.init() returned, "
        "an org.scijava.Context, or an endpoint for PyImageJ"
    )


def _has_class(name: str) -> bool:
    import jpype

    try:
        jpype.JClass(name)
    except TypeError:
        return False
    return True


def _from_gateway(gateway: object) -> Runtime:
    return Runtime(_context_of(gateway), is_full=_has_class("net.imagej.ImageJ"), owns_context=False)


def _from_running_jvm() -> Runtime:
    """Accept a JVM that the user, scyjava or PyImageJ started."""
    if not _has_class("org.scijava.Context") or not _has_class("net.imagej.Dataset"):
        raise ImageJError(
            "a JVM without ImageJ already runs in this process, and a process can have only one; "
            "call ij_omero.imagej.start() before the code that starts it, or give that JVM ImageJ's jars"
        )
    _patch_imagej1()
    full = _has_class("net.imagej.ImageJ")
    if full and _has_class("net.imagej.legacy.LegacyService"):
        # imagej-legacy keeps the context that it was initialised with, and answers to this name
        context = java_class("ij.IJ").runPlugIn("org.scijava.Context", "")
        if context is not None:
            return Runtime(context, is_full=True, owns_context=False)
    return Runtime(_new_context(), is_full=full)


def _start_embedded(max_heap: str | None, options: Sequence[str]) -> Runtime:
    from ij_omero.provision import find_java

    from ._class_archive import archive_options
    from ._class_path import embedded_class_path

    java = find_java()
    jars = embedded_class_path(java)
    _start_jvm(java, jars, max_heap, [*archive_options(java, jars), *options])
    if not jars[0].name.startswith(_PATCHED):
        _patch_imagej1()
    return Runtime(is_full=False)


def _start_folder(folder: Path, max_heap: str | None, options: Sequence[str]) -> Runtime:
    from ij_omero.provision import find_java

    from ._class_path import fiji_class_path
    from ._headless import dialog_jar

    java, jars = find_java(), fiji_class_path(folder)
    root = next(parent for parent in jars[0].parents if parent.name == "jars").parent
    folders = [f"-Dplugins.dir={root}", f"-Dimagej.dir={root}", f"-Dij.dir={root}"]
    dialog = dialog_jar(jars, java)
    _start_jvm(java, [dialog, *jars] if dialog else jars, max_heap, [*folders, *options])
    _patch_imagej1()
    return Runtime(_new_context(), is_full=_has_class("net.imagej.ImageJ"))


def _start_pyimagej(endpoint: str, max_heap: str | None, options: Sequence[str]) -> Runtime:
    try:
        import imagej
        import scyjava.config
    except ImportError as error:
        raise MissingDependencyError(
            f"{endpoint!r} is no folder, so PyImageJ must resolve it, and PyImageJ is not installed: "
            "pip install 'ij-omero[fiji]', or name a Fiji folder"
        ) from error
    for option in (_OWN_SIGNALS, *options, *_heap_options(max_heap)):
        scyjava.config.add_option(option)
    try:
        gateway = imagej.init(endpoint, mode="headless")
    except Exception as error:
        raise ImageJError(f"PyImageJ could not start {endpoint!r}: {error}") from error
    return Runtime(gateway.context(), is_full=True, owns_context=False)


def _page_options() -> list[str]:
    """Ask for large memory pages where the system gives them: fetching memory for cells page by page costs more."""
    offered = Path("/sys/kernel/mm/transparent_hugepage/enabled")
    try:
        choice = offered.read_text(encoding="ascii")
    except OSError:
        return []
    # where they are switched off, Java would print a warning
    return [] if "[never]" in choice else ["-XX:+UseTransparentHugePages"]


def _heap_options(max_heap: str | None) -> list[str]:
    heap = max_heap or os.environ.get(HEAP_VARIABLE)
    return [f"-Xmx{heap}"] if heap else []


def _start_jvm(java: Java, jars: Sequence[Path], max_heap: str | None, options: Sequence[str] = ()) -> None:
    import jpype

    arguments = [
        "-Djava.awt.headless=true",
        _OWN_SIGNALS,
        # Java asks the user database, not $HOME, and complains where that names no folder
        f"-Duser.home={Path.home()}",
        "--add-opens=java.base/java.lang=ALL-UNNAMED",
        "--add-opens=java.base/java.util=ALL-UNNAMED",
        "--enable-native-access=ALL-UNNAMED",
        # a failing module raises here; SciJava would print its stack trace as well
        f"-Dscijava.log.level={'debug' if _log.isEnabledFor(logging.DEBUG) else 'none'}",
        *_page_options(),
        *options,
        *_heap_options(max_heap),
    ]
    try:
        # interrupt=False: ^C stays Python's KeyboardInterrupt
        jpype.startJVM(*arguments, jvmpath=str(java.jvm_library), classpath=[str(jar) for jar in jars], interrupt=False)
    except (OSError, RuntimeError, jpype.JException) as error:
        raise ImageJError(
            f"the JVM of {java.home} could not be started ({error}); "
            f"check max_heap or ${HEAP_VARIABLE} (such as 2g), and JAVA_HOME"
        ) from error


def _keep_preferences_quiet() -> None:
    """Let Java not tell on standard error where it keeps preferences, or that another process has them."""
    global _preferences_log
    # Java forgets a logger that nobody holds
    _preferences_log = java_class("java.util.logging.Logger").getLogger("java.util.prefs")
    _preferences_log.setLevel(java_class("java.util.logging.Level").SEVERE)


def _patch_imagej1() -> None:
    """Make ImageJ 1 fit for running without a screen, before any of its classes is loaded."""
    import jpype

    if not _has_class("net.imagej.patcher.LegacyInjector"):
        return
    loader = jpype.JClass("java.lang.ClassLoader").getSystemClassLoader()
    if _is_patched_on_disk(loader):
        return
    try:
        jpype.JClass("net.imagej.patcher.LegacyInjector").preinit()
    except jpype.JException as error:
        raise ImageJError(
            f"ImageJ 1 could not be prepared to run without a screen: {error}; "
            "a JVM that others start needs --add-opens=java.base/java.lang=ALL-UNNAMED"
        ) from error


def _is_patched_on_disk(loader: Any) -> bool:
    """Tell whether the class path has ImageJ 1's headless classes before ``ij.jar``; loads no class."""
    found = loader.getResource("ij/IJ.class")
    return found is not None and _PATCHED in str(found)


def _new_context() -> Any:
    _keep_preferences_quiet()
    # Context() would pick the constructor without services
    return java_class("org.scijava.Context")(False)


def _shut_down() -> None:
    """Let the process end: dispose the context, and do not wait for Java's threads.

    After ImageJ 1 ran, AWT's event thread lives on and is no daemon, so a JVM that waits for its threads never ends.
    """
    import jpype
    import jpype.config

    runtime = _current
    if not jpype.isJVMStarted():
        return
    jpype.config.destroy_jvm = False
    jpype.config.free_resources = False
    context = runtime._context if runtime is not None and runtime._owns_context else None
    if context is not None:
        disposal = threading.Thread(target=_dispose, args=(context,), daemon=True)
        try:
            disposal.start()
        except RuntimeError:  # some Pythons (3.12.1) start no thread any more while they end
            _dispose(context)
        else:
            disposal.join(_DISPOSE_S)
    try:
        _stop_reference_queue()
    except (jpype.JException, ImageJError, AttributeError) as error:
        _log.debug("JPype's reference queue was not stopped: %s", error)


def _stop_reference_queue() -> None:
    """End JPype's thread that releases Python objects which Java no longer holds.

    It would take the GIL while Python finalizes; Python then ends it inside C++ code, and glibc aborts the process
    ("FATAL: exception not rethrown", in about one exit of four). JPype's own ``stop()`` also frees the objects that
    Java still holds, which a Java thread may be about to call, so only the thread is ended.
    """
    queue = java_class("org.jpype.ref.JPypeReferenceQueue").getInstance()
    fields = {}
    for name in ("isStopped", "queueThread"):
        fields[name] = queue.getClass().getDeclaredField(name)
        fields[name].setAccessible(True)
    fields["isStopped"].setBoolean(queue, True)
    thread = fields["queueThread"].get(queue)
    thread.interrupt()
    thread.join(_QUEUE_MS)


def _dispose(context: Any) -> None:
    import jpype

    try:
        context.dispose()
    except jpype.JException as error:
        _log.warning("ImageJ's context could not be disposed: %s", error)
