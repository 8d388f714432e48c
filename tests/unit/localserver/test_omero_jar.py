"""What is derived from the jar of OMERO itself."""

from __future__ import annotations

import xml.etree.ElementTree as ET

from ij_omero.localserver import _database_script, _spring
from ij_omero.provision import prokaryote_jar


def test_contexts_are_made_in_the_order_that_spring_can_resolve() -> None:
    contexts = _spring.missing_contexts(prokaryote_jar())
    assert set(contexts) == {"ome.model", "ome.server", "ome.fulltext", "ome.pixeldata"}
    assert contexts["ome.server"][:3] == ["ome/config.xml", "ome/services/messaging.xml", "ome/services/services.xml"]
    assert contexts["ome.fulltext"][-1] == "ome/services/indexer.xml"
    assert not set(contexts["ome.server"]) & {"ome/services/indexer.xml", "ome/services/pixeldata.xml"}
    beans = ET.fromstring(_spring.bean_ref_context(prokaryote_jar()))  # noqa: S314 - written a line above
    assert [bean.get("id") for bean in beans] == list(contexts)


def test_the_security_filters_are_those_of_the_jar() -> None:
    assert _database_script.filter_definitions(prokaryote_jar()).count("<filter-def ") == 4


def test_columns_are_read_from_the_schema() -> None:
    ddl = _database_script.Ddl(
        'create table channel (id int8 not null, "index" numeric(10, 2), primary key (id), unique (a, b));\n'
    )
    assert ddl.tables == {"channel": {"id": False, "index": True}}


def test_passwords_are_kept_as_omero_keeps_them() -> None:
    assert _database_script.password_hash("ome") == "vvFwuczAmpyoRC0Nsv8FCw=="
    assert _database_script.with_root_password("('@ROOTPASS@')", "ome") == "('vvFwuczAmpyoRC0Nsv8FCw==')"
