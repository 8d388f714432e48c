"""Write ImageJ 1's headless classes as a jar: ``python _headless_recipe.py LIBJVM OUT.jar JARS...``.

Run as a program by ``_headless``, in a process of its own; it imports nothing of this package.
"""

from __future__ import annotations

import sys

import jpype


def main(jvm_library: str, out: str, *jars: str) -> None:
    """Start a JVM with the jars, let ij1-patcher write its classes."""
    jpype.startJVM(
        "-Djava.awt.headless=true",
        "--add-opens=java.base/java.lang=ALL-UNNAMED",
        "--add-opens=java.base/java.util=ALL-UNNAMED",
        jvmpath=jvm_library,
        classpath=list(jars),
    )
    jpype.JClass("net.imagej.patcher.LegacyInjector").writeJar(jpype.JClass("java.io.File")(out), True, False)


if __name__ == "__main__":
    main(*sys.argv[1:])
