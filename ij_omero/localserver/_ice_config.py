"""The configuration files of the Ice services and of the OMERO processes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

LOG_PROPERTY = "ij_omero.log"
# Whole planes may be written up to this size; above, OMERO makes a pyramid and takes tiles
_PLANE_LIMIT = 3192
CERTIFICATE_PASSWORD = "secret"  # noqa: S105 - of a self-signed certificate in a private folder, as Ice demands one

_LOGBACK = f"""<configuration>
  <appender name="F" class="ch.qos.logback.core.FileAppender">
    <file>${{{LOG_PROPERTY}}}</file><append>false</append>
    <encoder><pattern>%d %-5p [%40.40logger] %m%n</pattern></encoder>
  </appender>
  <logger name="org.hibernate" level="ERROR"/><logger name="org.springframework" level="WARN"/>
  <root level="INFO"><appender-ref ref="F"/></root>
</configuration>
"""

_LOGBACK_CLI = """<configuration>
  <appender name="E" class="ch.qos.logback.core.ConsoleAppender">
    <target>System.err</target><encoder><pattern>%d %-5p [%logger{20}] %m%n</pattern></encoder>
  </appender>
  <logger name="loci" level="WARN"/><logger name="ome.formats" level="INFO"/>
  <root level="WARN"><appender-ref ref="E"/></root>
</configuration>
"""


@dataclass(frozen=True)
class Ports:
    """Ports of the loopback.

    Attributes
    ----------
    router
        Where clients connect (TLS).
    insecure
        The router without TLS.
    registry, storm, postgres
        Of IceGrid's registry, of IceStorm and of the database.
    """

    router: int
    insecure: int
    registry: int
    storm: int
    postgres: int

    @property
    def locator(self) -> str:
        """The proxy of the IceGrid locator."""
        return f"IceGrid/Locator:tcp -h 127.0.0.1 -p {self.registry}"

    @property
    def topics(self) -> str:
        """The proxy of the IceStorm topic manager."""
        return f"IceStorm/TopicManager:tcp -h 127.0.0.1 -p {self.storm}"


def config_files(home: Path, ports: Ports, database_password: str, properties: Mapping[str, str]) -> dict[Path, str]:
    """Write the content of all configuration files.

    Parameters
    ----------
    home
        Of the server; all files lie below it.
    ports
        Where its processes listen.
    database_password
        Of the database's user.
    properties
        Further ``omero.*`` properties of the server.
    """
    etc, log = home / "etc", home / "log"
    common = f"""Ice.Default.Host=127.0.0.1
Ice.Default.Locator={ports.locator}
Ice.IPv6=0
Ice.MessageSizeMax=65536
Ice.CacheMessageBuffers=0
Ice.Override.ConnectTimeout=5000
"""
    blitz = _blitz(common, home, ports, database_password, properties)
    files = {
        etc / "registry.cfg": _registry(home, ports),
        etc / "storm.cfg": _storm(common, ports),
        etc / "blitz.cfg": blitz,
        etc / "indexer.cfg": blitz.replace("BlitzAdapter", "IndexerAdapter"),
        etc / "pixeldata.cfg": blitz.replace("BlitzAdapter", "PixelDataAdapter"),
        etc / "glacier2.cfg": _glacier2(common, etc, ports),
        etc / "logback.xml": _LOGBACK,
        # what the import client and the processor's scripts read
        home / "omerodir/etc/logback-cli.xml": _LOGBACK_CLI,
        home / "omerodir/etc/ice.config": f"""omero.host=127.0.0.1
omero.port={ports.router}
Ice.Default.Router=OMERO.Glacier2/router:ssl -p {ports.router} -h 127.0.0.1
""",
    }
    for name in ("Processor", "Tables"):
        files[etc / f"{name.lower()}.cfg"] = f"""{common}Ice.Admin.ServerId={name}-0
Ice.ImplicitContext=Shared
{name}Adapter.AdapterId={name}Adapter
{name}Adapter.Endpoints=tcp -h 127.0.0.1
Ice.ThreadPool.Server.Size=2
Ice.ThreadPool.Server.SizeMax=50
omero.logging.directory={log}
omero.repo.wait=60
"""
    return files


def _blitz(common: str, home: Path, ports: Ports, database_password: str, properties: Mapping[str, str]) -> str:
    further = "".join(f"{name}={value}\n" for name, value in properties.items())
    return f"""{common}BlitzAdapter.AdapterId=BlitzAdapter
BlitzAdapter.Endpoints=tcp -h 127.0.0.1
Ice.Default.CollocationOptimized=0
Ice.ThreadPool.Client.Size=2
Ice.ThreadPool.Client.SizeMax=50
Ice.ThreadPool.Server.Size=10
Ice.ThreadPool.Server.SizeMax=100
omero.data.dir={home / "data"}
omero.db.host=127.0.0.1
omero.db.port={ports.postgres}
omero.db.name=omero
omero.db.user=omero
omero.db.pass={database_password}
omero.router.insecure=OMERO.Glacier2/router:tcp -p {ports.insecure} -h @omero.host@
omero.pixeldata.max_plane_width={_PLANE_LIMIT}
omero.pixeldata.max_plane_height={_PLANE_LIMIT}
{further}"""


def _registry(home: Path, ports: Ports) -> str:
    return f"""Ice.IPv6=0
IceGrid.InstanceName=IceGrid
IceGrid.Registry.Client.Endpoints=tcp -h 127.0.0.1 -p {ports.registry}
IceGrid.Registry.Server.Endpoints=tcp -h 127.0.0.1
IceGrid.Registry.Internal.Endpoints=tcp -h 127.0.0.1
IceGrid.Registry.PermissionsVerifier=IceGrid/NullPermissionsVerifier
IceGrid.Registry.AdminPermissionsVerifier=IceGrid/NullPermissionsVerifier
IceGrid.Registry.DynamicRegistration=1
IceGrid.Registry.LMDB.Path={home / "registry"}
"""


def _storm(common: str, ports: Ports) -> str:
    return f"""{common}IceBox.Service.IceStorm=IceStormService,37:createIceStorm
IceBox.InheritProperties=1
IceStorm.InstanceName=IceStorm
IceStorm.Transient=1
IceStorm.TopicManager.Endpoints=tcp -h 127.0.0.1 -p {ports.storm}
IceStorm.Publish.Endpoints=tcp -h 127.0.0.1
"""


def _glacier2(common: str, etc: Path, ports: Ports) -> str:
    # anonymous Diffie-Hellman does not work with omero-py: a certificate, which nobody verifies
    endpoints = f"ssl -h 127.0.0.1 -p {ports.router}:tcp -h 127.0.0.1 -p {ports.insecure}"
    return f"""{common}Ice.Plugin.IceSSL=IceSSL:createIceSSL
IceSSL.CertFile={etc / "server.p12"}
IceSSL.Password={CERTIFICATE_PASSWORD}
IceSSL.VerifyPeer=0
IceSSL.Protocols=TLS1_0,TLS1_1,TLS1_2
Glacier2.InstanceName=OMERO.Glacier2
Glacier2.Client.Endpoints={endpoints}
Glacier2.Server.Endpoints=tcp -h 127.0.0.1
Glacier2.SessionTimeout=600
Glacier2.PermissionsVerifier=BlitzVerifier@BlitzAdapter
Glacier2.SessionManager=BlitzManager@BlitzAdapter
Glacier2.Client.ForwardContext=1
Glacier2.Filter.Category.Accept=ProcessCallback ProcessorCallback
"""
