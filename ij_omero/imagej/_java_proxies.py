"""Java interfaces implemented by Python classes, so that Java calls Python as if it were a class of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ._runtime import java_class, start

if TYPE_CHECKING:
    from collections.abc import Callable

FIRST = 1e6
"""A SciJava priority above those of ImageJ's own plugins."""


def implement(base: type, *interfaces: str, delegating: bool = False) -> Any:
    """Return a class that implements Java interfaces by the public methods of a Python class.

    JPype looks at a class's own namespace only, so everything inherited is put into one class.

    Parameters
    ----------
    base
        The Python class.
    interfaces
        Names of the interfaces. Methods that the class lacks are unsupported.
    delegating
        Whether they go to the attribute ``java`` instead, an object of Java; those that the interface implements too,
        since JPype fails to call such methods where they take arguments.
    """
    import jpype

    space: dict[str, Any] = {}
    for owner in reversed(base.__mro__[:-1]):
        for name, member in vars(owner).items():
            if not name.startswith("_"):
                space[name] = jpype.JOverride(member) if callable(member) else member
            elif name == "__init__" or (callable(member) and not name.startswith("__")):
                space[name] = member
    for interface in interfaces:
        for method in java_class(interface).class_.getMethods():
            name = str(method.getName())
            if name not in space and (delegating or not method.isDefault()):
                space[name] = jpype.JOverride(_forward(name) if delegating else _refuse(name))
    return jpype.JImplements(list(interfaces))(type(base.__name__, (), space))


def _forward(name: str) -> Callable[..., Any]:
    def call(self: Any, *arguments: Any) -> Any:
        return getattr(self.java, name)(*arguments)

    return call


def _refuse(name: str) -> Callable[..., Any]:
    def call(self: Any, *arguments: Any) -> Any:
        raise java_class("java.lang.UnsupportedOperationException")(f"{name} of {type(self).__name__}")

    return call


class JavaPlugin:
    """What SciJava asks of every plugin (``org.scijava.plugin.RichPlugin``)."""

    def __init__(self, priority: float = FIRST) -> None:
        self._priority = priority
        self._plugin_info: Any = None

    def getContext(self) -> Any:
        """Return ImageJ's context."""
        return start().context

    def context(self) -> Any:
        """Return ImageJ's context."""
        return start().context

    def setContext(self, context: Any) -> None:
        """Do nothing: there is one context."""

    def log(self) -> Any:
        """Return ImageJ's log."""
        return start().service("org.scijava.log.LogService")

    def getPriority(self) -> float:
        """Return the priority; higher ones come first."""
        return self._priority

    def setPriority(self, priority: float) -> None:
        """Change the priority."""
        self._priority = float(priority)

    def getInfo(self) -> Any:
        """Return what SciJava set as plugin information."""
        return self._plugin_info

    def setInfo(self, info: Any) -> None:
        """Keep plugin information."""
        self._plugin_info = info

    def getVersion(self) -> str:
        """Return this package's version."""
        from ij_omero import __version__

        return __version__

    def getIdentifier(self) -> str:
        """Name the plugin."""
        return f"ij-omero:{type(self).__name__}"

    def compareTo(self, other: Any) -> int:
        """Sort by priority, the highest first."""
        if other is self:
            return 0
        return -1 if self._priority >= float(other.getPriority()) else 1

    def getLocation(self) -> Any:
        """Return None: it lies in no jar."""
        return None


def add_first(service: Any, plugin: Any) -> None:
    """Put a plugin before the others of a SciJava service that keeps one instance of each.

    SciJava makes such plugins from class names only, which a proxy has not.
    """
    service.getInstances()  # made when they are first asked for
    field = java_class("org.scijava.plugin.AbstractSingletonService").class_.getDeclaredField("instances")
    field.setAccessible(True)
    instances = java_class("java.util.ArrayList")(field.get(service))
    instances.add(0, plugin)
    field.set(service, instances)
