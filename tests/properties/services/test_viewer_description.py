"""The OpenAPI document of the viewer is true: statuses, media types and shapes of answers are those it names."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import (
    content_type_conformance,
    not_a_server_error,
    response_schema_conformance,
    status_code_conformance,
)

from ij_omero.images import Connection
from ij_omero.services.viewer._openapi import describe_routes
from ij_omero.stores import MemoryStore
from tests._viewer import save_blobs, viewing

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx

EXAMPLES = max(5, int(os.environ.get("IJ_OMERO_REQUESTS", "300")) // 60)
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]

schema = schemathesis.openapi.from_dict(describe_routes())


@pytest.fixture(scope="module")
def client() -> Iterator[httpx.Client]:
    with Connection(MemoryStore(tile_size=128)) as connection:
        save_blobs(connection)
        with viewing(connection) as client:
            yield client


@schema.parametrize()
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
def test_answers_are_those_that_the_description_names(case: schemathesis.Case, client: httpx.Client) -> None:
    if case.path_parameters:  # else nearly every answer would be that there is no such image
        case.path_parameters["image"] = "1"
    answer = case.call(base_url=str(client.base_url).rstrip("/"))
    case.validate_response(answer, checks=CHECKS)
