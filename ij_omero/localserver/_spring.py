"""The Spring contexts that the prokaryote jar names but lacks, made from the jar's listing.

Shading kept only omero-blitz's ``beanRefContext.xml`` (``OMERO.blitz``, whose parent is ``ome.server``); omero-server's
own is lost. OmeroContext reads all files of that name on the class path, so one more with the missing ones is enough:

* every context starts with ome/config.xml (properties) and ome/services/messaging.xml;
* ``ome.server`` has every ome/services/*.xml that is a ``<beans>`` document, save what ``OMERO.blitz`` lists already
  and the "process files": those that define the bean ``adapterName``, for which ome.services.blitz.Entry asks;
* each process file (indexer.xml, pixeldata.xml) makes a context of its own: ome.server's files, save those that define
  a bean that the process file defines too, and then the process file;
* the file that defines ``executor`` comes first: beans are made in the order of the files, and Spring can close the
  circle between the executor and the session manager only when it starts at the executor;
* the parent of all is ``ome.model``, a plain Spring context of ome/model.xml.
"""

from __future__ import annotations

import fnmatch
import re
import xml.etree.ElementTree as ET
import zipfile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_BEANS = "{http://www.springframework.org/schema/beans}"
_COMMON = ["ome/config.xml", "ome/services/messaging.xml"]
_NAMES = {"indexer": "ome.fulltext"}  # the name that ome.services.fulltext.Main uses; others are ome.<stem of the file>


def missing_contexts(jar: Path) -> dict[str, list[str]]:
    """Give context name: class path locations, of the contexts to add to those of the jar."""
    with zipfile.ZipFile(jar) as archive:
        own = ET.fromstring(archive.read("beanRefContext.xml"))  # noqa: S314 - the jar's code is trusted as well
        blitz = next(bean for bean in own.iter(f"{_BEANS}bean") if bean.get("id") == "OMERO.blitz")
        claimed = [(value.text or "").split(":", 1)[1] for value in blitz.iter(f"{_BEANS}value")]
        beans: dict[str, set[str]] = {}
        for name in sorted(archive.namelist()):
            if not re.fullmatch(r"ome/services/[^/]+\.xml", name) or name in _COMMON:
                continue
            if any(fnmatch.fnmatchcase(name, pattern) for pattern in claimed):
                continue
            root = ET.fromstring(archive.read(name))  # noqa: S314
            if root.tag == f"{_BEANS}beans":
                beans[name] = _names_of_beans(root)
    process = {name: defined for name, defined in beans.items() if "adapterName" in defined}
    server = sorted((name for name in beans if name not in process), key=lambda n: ("executor" not in beans[n], n))
    contexts = {"ome.model": ["ome/model.xml"], "ome.server": _COMMON + server}
    for name, defined in process.items():
        stem = name.rsplit("/", 1)[1].removesuffix(".xml")
        shared = [other for other in server if not beans[other] & defined]
        contexts[_NAMES.get(stem, f"ome.{stem}")] = [*_COMMON, *shared, name]
    return contexts


def _names_of_beans(root: ET.Element) -> set[str]:
    names: set[str | None] = set()
    for element in root.iter():
        if element.tag == f"{_BEANS}bean":
            names.update([element.get("id"), *re.split(r"[\s,;]+", element.get("name") or "")])
        elif element.tag == f"{_BEANS}alias":
            names.add(element.get("alias"))
    return {name for name in names if name}


def bean_ref_context(jar: Path) -> str:
    """Write the ``beanRefContext.xml`` that goes before the jar's own on the class path."""
    schema = "http://www.springframework.org/schema/beans"
    xml = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        f'<beans xmlns="{schema}" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"',
        f'       xsi:schemaLocation="{schema} {schema}/spring-beans.xsd">',
    ]
    for name, locations in missing_contexts(jar).items():
        plain = name == "ome.model"
        kind = (
            "org.springframework.context.support.ClassPathXmlApplicationContext" if plain else "ome.system.OmeroContext"
        )
        xml += [
            f'  <bean id="{name}" class="{kind}" lazy-init="true">',
            '    <constructor-arg index="0">',
            "      <list>",
            *(f"        <value>classpath:{location}</value>" for location in locations),
            "      </list>",
            "    </constructor-arg>",
        ]
        if not plain:
            xml += [
                '    <constructor-arg index="1" value="true"/>',
                '    <constructor-arg index="2" ref="ome.model"/>',
            ]
        xml.append("  </bean>")
    return "\n".join([*xml, "</beans>", ""])
