"""The OpenAPI document of OMEIS is true, and nothing that it allows makes the server fail."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import httpx
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis.checks import content_type_conformance, not_a_server_error, status_code_conformance

from ij_omero.services import Background
from ij_omero.services.omeis import Omeis, Repository, omeis_app
from ij_omero.services.omeis._openapi import OPENAPI
from ij_omero.stores import LocalStore

if TYPE_CHECKING:
    from collections.abc import Iterator

EXAMPLES = max(20, int(os.environ.get("IJ_OMERO_REQUESTS", "300")) // 4)
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance]
NAMES = (
    "PixelsID",
    "FileID",
    "theY",
    "theZ",
    "theC",
    "theT",
    "nRows",
    "Offset",
    "Length",
    "Dims",
    "ROI",
    "Size",
    "SHA1",
)
CHANNELS = ("RedChannel", "GrayChannel", "LevelBasis", "Format", "BigEndian", "TableID", "Save", "SetThumb")
VALUES = st.one_of(
    st.integers(-2, 10).map(str),
    st.sampled_from(["1", "1,1,1,1,1,1", "0,0,1,1", "0,0,0,0,0,1,1,0,0,0", "5,5", "nan", "1e999", "9" * 30, "png", ""]),
    st.lists(st.integers(-5, 2**63), max_size=11).map(lambda numbers: ",".join(map(str, numbers))),
    st.text(max_size=20),
)

schema = schemathesis.openapi.from_dict(OPENAPI)


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("omeis")
    store = LocalStore(folder / "images")
    with Background(lambda: omeis_app(store, Repository(folder / "omeis"))) as address:
        url = f"{address}/cgi-bin/omeis"
        made = httpx.get(url, params={"Method": "NewPixels", "Dims": "6,5,1,1,1,1"}).text.strip()
        httpx.get(url, params={"Method": "FinishPixels", "PixelsID": made})
        httpx.post(url, data={"Method": "UploadFile"}, files={"File": ("a", b"content")})
        yield address
    store.close()


@pytest.fixture(scope="module")
def client(address: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=address, timeout=60) as client:
        yield client


@pytest.fixture(scope="module")
def session() -> Iterator[requests.Session]:
    with requests.Session() as session:
        yield session


@schema.parametrize()
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
def test_answers_are_those_that_the_description_names(
    case: schemathesis.Case, address: str, session: requests.Session
) -> None:
    case.validate_response(case.call(base_url=address, session=session), checks=CHECKS)


@given(
    method=st.sampled_from(Omeis.methods),
    parameters=st.dictionaries(st.sampled_from(NAMES + CHANNELS), VALUES, max_size=6),
    upload=st.none() | st.binary(max_size=100),
)
@settings(max_examples=2 * EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
def test_no_call_makes_the_server_fail(
    client: httpx.Client, method: str, parameters: dict[str, str], upload: bytes | None
) -> None:
    field = "File" if method in ("UploadFile", "ExportOMEfile", "SaveTable", "SaveROIs", "SetDescription") else "Pixels"
    files = None if upload is None else {field: ("upload", upload)}
    answer = client.post("/cgi-bin/omeis", data={"Method": method, **parameters}, files=files)
    assert answer.status_code < 500 or answer.status_code == 507, (method, parameters, answer.text)
    if answer.status_code >= 400:
        assert answer.text.startswith(f"Error calling {method}"), answer.text
