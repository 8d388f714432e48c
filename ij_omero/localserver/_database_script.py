"""OMERO's database script, composed from what the prokaryote jar holds.

    templates/psql-header.vm  +  Hibernate's DDL  +  views.sql  +  templates/psql-footer.vm

The DDL is the output of ``org.hibernate.tool.hbm2ddl.SchemaExport`` over the jar's hibernate.cfg.xml. The footer is a
Velocity template over the types of mappings/*.ome.xml. What the DDL shows (tables, columns, quoting) is read from the
DDL rather than deduced from the mappings, and the result is checked against it.
"""

from __future__ import annotations

import base64
import collections
import hashlib
import re
import time
import xml.etree.ElementTree as ET
import zipfile
from typing import TYPE_CHECKING, Any, NamedTuple

from ij_omero.errors import SetupError

from . import _velocity

if TYPE_CHECKING:
    from pathlib import Path

# the elements of <properties> whose value is kept in a column of the type's own table ...
_SINGLE = {"required", "optional", "manyone", "manyzero", "from_parent", "to_child"}
# ... and those that are the other side of a column elsewhere
_MANY = {"onemany", "zeromany", "parent", "child"}
_LINK_ENDS = {"from_parent": "parent", "to_child": "child"}
_CLASSES = {"map": "ome.dsl.MapField", "entry": "ome.dsl.EntryField"}
_ROOT_PASSWORD = "@ROOTPASS@"  # noqa: S105 - a placeholder of OMERO's own script


class _JavaClass(NamedTuple):
    name: str


class Ddl:
    """Tables and columns of Hibernate's DDL: ``tables[table][column]`` tells whether the name is quoted; lower case."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.tables: dict[str, dict[str, bool]] = {}
        for name, body in re.findall(r'^create table "?(\w+)"? \((.*)\);?\s*$', text, re.MULTILINE):
            self.tables[name.lower()] = _columns(body)
        if not self.tables:
            raise SetupError(
                "Hibernate wrote a database schema without tables: the prokaryote jar is not the expected one"
            )


def _columns(body: str) -> dict[str, bool]:
    pieces, depth, start = [], 0, 0
    for position, character in enumerate(f"{body},"):
        depth += {"(": 1, ")": -1}.get(character, 0)
        if character == "," and not depth:
            pieces.append(body[start:position].strip())
            start = position + 1
    names = (
        re.match(r'(")?(\w+)"? ', piece)
        for piece in pieces
        if not re.match(r"(primary key|unique|foreign key|constraint|check)\b", piece, re.IGNORECASE)
    )
    return {match.group(2).lower(): bool(match.group(1)) for match in names if match}


class _Property:
    """A property of a type, under the names that the templates use."""

    def __init__(self, owner: _Type, tag: str, name: str, kind: str | None, ordered: bool) -> None:
        self.actualType = owner
        self.name = name
        self.type = kind or ""
        self.ordered = ordered
        self.one2Many = tag in _MANY
        # a reference to another type of the model (units too: the template puts constraints on those that are)
        self.foreignKey = tag in _SINGLE | _MANY and self.type.startswith("ome.")
        setattr(self, "class", _JavaClass(_CLASSES.get(tag, f"ome.dsl.{tag}")))


class _Type:
    """A type of the model, under the names that the templates use."""

    def __init__(self, model: dict[str, _Type], name: str, attributes: dict[str, str], ddl: Ddl) -> None:
        self._model, self._ddl, self.id = model, ddl, name
        self.superclass = attributes.get("superclass")
        self.discriminator = attributes.get("discriminator")
        self.annotated = attributes.get("annotated") == "true"
        self.properties: list[_Property] = []

    @property
    def classProperties(self) -> list[_Property]:
        return self.properties

    @property
    def table(self) -> str:
        """Its own table where the DDL has one (a joined subclass), else that of the superclass."""
        own = _short(self.id).lower()
        if own in self._ddl.tables or not self.superclass:
            return own
        return self._model[self.superclass].table

    def tableName(self) -> str:
        return self.table

    def __getattr__(self, name: str) -> Any:
        if name == "global":  # without an owner and a group; the mappings say so of some, enumerations are it as well
            return "owner_id" not in self._ddl.tables[self.table]
        raise AttributeError(name)

    @staticmethod
    def typeToColumn(name: str) -> str:
        return _short(name).lower()

    def columnName(self, prop: _Property, quote: str) -> str:
        quoted = self._ddl.tables[self.table].get(prop.name.lower())
        return f"{quote}{prop.name.lower()}{quote}" if quoted else prop.name

    def indexName(self, prop: _Property) -> str:
        return f"i_{_short(self.id).lower()}_{prop.name.lower()}"


def _short(name: str) -> str:
    return name.rsplit(".", 1)[1]


def _read_model(archive: zipfile.ZipFile, ddl: Ddl) -> list[_Type]:
    """Give the types of mappings/*.ome.xml, and XAnnotationLink for every annotated type X."""
    types: dict[str, _Type] = {}
    for name in sorted(n for n in archive.namelist() if re.fullmatch(r"mappings/[^/]+\.ome\.xml", n)):
        for element in ET.fromstring(archive.read(name)):  # noqa: S314 - the jar's code is trusted as well
            this = types[element.attrib["id"]] = _Type(types, element.attrib["id"], element.attrib, ddl)
            holder = element if element.tag == "enum" else element.find("properties")
            for part in holder if holder is not None else ():
                if part.tag != "component":
                    called = _LINK_ENDS.get(part.tag) or part.attrib.get("name", "")
                    this.properties.append(
                        _Property(this, part.tag, called, part.get("type"), part.get("ordered") == "true")
                    )
    for this in [t for t in types.values() if t.annotated]:
        link = f"ome.model.annotations.{_short(this.id)}AnnotationLink"
        other = types[link] = _Type(types, link, {}, ddl)
        other.properties = [
            _Property(other, "from_parent", "parent", this.id, False),
            _Property(other, "to_child", "child", "ome.model.annotations.Annotation", False),
        ]
    return [types[i] for i in sorted(types, key=lambda i: (_short(i), i))]


def _verify(archive: zipfile.ZipFile, types: list[_Type], ddl: Ddl, footer: str) -> None:
    """Fail where mappings, Hibernate's classes and the rendered footer do not fit each other."""
    mapped = set(re.findall(r'<mapping class="([\w.]+)"', archive.read("hibernate.cfg.xml").decode()))
    faults = sorted(mapped ^ {this.id for this in types})
    for this in types:
        columns = ddl.tables.get(this.table)
        if columns is None:
            faults.append(f"no table for {this.id}")
            continue
        for prop in this.properties:
            if prop.foreignKey and not prop.one2Many and prop.name.lower() not in columns:
                faults.append(f"no column {prop.name} in {this.table}")
            if prop.ordered and not prop.one2Many and f"{prop.name.lower()}_index" not in columns:
                faults.append(f"no index column of {prop.name} in {this.table}")
    names = re.findall(r"^\s*create (?:unique )?index (\w+)", footer, re.MULTILINE | re.IGNORECASE)
    counted = collections.Counter(name.lower()[:63] for name in names)
    faults += [f"the index name {name} is used twice" for name, times in counted.items() if times > 1]
    if faults:
        raise SetupError(f"the database script does not fit the prokaryote jar: {'; '.join(faults[:10])}")


class _NotRecorded(dict[str, str]):
    def __missing__(self, key: str) -> str:
        return "(not recorded)"


def compose(jar: Path, ddl_text: str) -> str:
    """Compose the script; see `with_root_password` for what is still to be put in.

    Parameters
    ----------
    jar
        prokaryote's.
    ddl_text
        What Hibernate's SchemaExport wrote with the filters of `filter_definitions`.
    """
    ddl = Ddl(ddl_text)
    with zipfile.ZipFile(jar) as archive:

        def text(name: str) -> str:
            return archive.read(name).decode("utf-8")

        made = _NotRecorded(TIME=time.strftime("%Y-%m-%d %H:%M:%S"), DIR=jar.name)
        header = text("templates/psql-header.vm") % made
        types = _read_model(archive, ddl)
        # the templates are made to pass through Python's % operator: %% is %
        footer = _velocity.render(text("templates/psql-footer.vm").replace("%%", "%"), types=types)
        _verify(archive, types, ddl, footer)
        versions = dict(re.findall(r"^(omero\.db\.\w+)=(\S+)", text("omero-model.properties"), re.MULTILINE))
        footer = footer.replace("@DBVERSION@", versions["omero.db.version"])
        footer = footer.replace("@DBPATCH@", versions["omero.db.patch"])
        # columns that the footer alters although Hibernate does not know them (session.userIP, transient in Java)
        altered = re.findall(
            r"^\s*alter table (\w+)\s+alter column (\w+) type ([\w() ]+);", footer, re.MULTILINE | re.IGNORECASE
        )
        missing = [
            f"ALTER TABLE {table} ADD COLUMN {column} {kind};"
            for table, column, kind in altered
            if table.lower() in ddl.tables and column.lower() not in ddl.tables[table.lower()]
        ]
        return "\n".join([header, ddl_text, *missing, text("views.sql"), footer])


def password_hash(password: str) -> str:
    """Hash a password as OMERO's database keeps it."""
    return base64.b64encode(hashlib.md5(password.encode(), usedforsecurity=False).digest()).decode()


def with_root_password(script: str, password: str) -> str:
    """Put root's password into the script."""
    return script.replace(_ROOT_PASSWORD, password_hash(password))


def filter_definitions(jar: Path) -> str:
    """Write a Hibernate mapping of the security filters that the mapped classes mention."""
    with zipfile.ZipFile(jar) as archive:
        names = re.findall(r'<ref bean="(\w+SecurityFilter)"', archive.read("ome/services/hibernate.xml").decode())
    # Hibernate resolves this address from its own jar
    dtd = "http://www.hibernate.org/dtd/hibernate-mapping-3.0.dtd"
    filters = "".join(f'  <filter-def name="{name}" condition="1=1"/>\n' for name in dict.fromkeys(names))
    return (
        '<?xml version="1.0"?>\n'
        f'<!DOCTYPE hibernate-mapping PUBLIC "-//Hibernate/Hibernate Mapping DTD 3.0//EN" "{dtd}">\n'
        f"<hibernate-mapping>\n{filters}</hibernate-mapping>\n"
    )
