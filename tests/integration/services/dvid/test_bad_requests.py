"""Whatever is sent, the server says what is wrong and goes on: nothing is answered by 5xx.

IJ_OMERO_REQUESTS sets how many requests are made of the interface's description; a long form has 100,000.
"""

from __future__ import annotations

import functools
import json
import os
import urllib.parse
from typing import TYPE_CHECKING, Any

import pytest
import urllib3
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ij_omero.services import Background
from ij_omero.services.dvid import make_app
from ij_omero.stores import DvidClient

if TYPE_CHECKING:
    from collections.abc import Iterator

REQUESTS = int(os.environ.get("IJ_OMERO_REQUESTS", "200"))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[urllib3.HTTPConnectionPool, str]]:
    with Background(functools.partial(make_app, tmp_path_factory.mktemp("dvid"))) as address:
        with DvidClient(address.replace("http://", "dvid://")) as client:
            root = client.new_repo("tests", root="aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa")
            for typename in ("uint8blk", "uint16blk", "float32blk", "rgba8blk", "roi", "keyvalue"):
                client.new_instance(
                    root, typename, typename, **({} if typename == "keyvalue" else {"BlockSize": "8,8,8"})
                )
        url = urllib3.util.parse_url(address)
        with urllib3.HTTPConnectionPool(url.host, url.port, maxsize=2) as pool:
            yield pool, root


UUIDS = st.sampled_from(["aaa", "aaa:master", ":", "a:b:c", "", "b", "aaa:master~1", "aaa:master~99999999999"])
NAMES = st.sampled_from(["uint8blk", "uint16blk", "float32blk", "rgba8blk", "roi", "keyvalue", "nobody", "%00", "%ff"])
KEYWORDS = st.sampled_from(
    "help info metadata extents resolution rawkey raw isotropic arb blocks specificblocks subvolblocks roi mask "
    "ptquery key keys keyrange nothing".split()
)
NUMBERS = st.one_of(
    st.integers(-40, 40), st.integers(-(2**40), 2**40), st.sampled_from(["", "x", "1.5", "1e9", "nan", "-", "٣", "0x1"])
)
TRIPLES = st.lists(NUMBERS, min_size=1, max_size=4).map(lambda numbers: "_".join(map(str, numbers)))
PARTS = st.one_of(
    TRIPLES,
    st.sampled_from(
        ["xy", "0_1", "0_2", "1_2", "0_1_2", "vol", "png", "jpg:80", "jpg:x", "tif", "bmp", "", "..", "%2e%2e"]
    ),
    st.text(max_size=8).map(lambda text: urllib.parse.quote(text, safe="")),
)
QUERIES = st.dictionaries(
    st.sampled_from("roi attenuation throttle mutate compression blocks prefetch x y z imsure".split()),
    st.one_of(st.sampled_from(["true", "on", "roi", "jpeg", "uncompressed", "1", "9"]), TRIPLES, st.text(max_size=5)),
    max_size=3,
)
JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(
            st.sampled_from(
                "typename dataname BlockSize VoxelSize Background Compression Tags Versioned MinPoint MaxPoint note "
                "log branch uuid tag alias root passcode throttle".split()
            ),
            inner,
            max_size=4,
        ),
    ),
    max_leaves=8,
)
BODIES = st.one_of(st.binary(max_size=40), JSON.map(lambda told: json.dumps(told).encode()), st.just(bytes(8**3)))


@settings(max_examples=REQUESTS, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    method=st.sampled_from(["GET", "POST", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH"]),
    uuid=UUIDS,
    name=NAMES,
    keyword=KEYWORDS,
    parts=st.lists(PARTS, max_size=5),
    query=QUERIES,
    body=BODIES,
)
def test_requests_about_data(server: Any, method: str, uuid: str, name: str, keyword: str, **rest: Any) -> None:
    pool, _ = server
    path = "/".join(["/api/node", urllib.parse.quote(uuid, safe=":~"), name, keyword, *rest["parts"]])
    query = urllib.parse.urlencode(rest["query"])
    answer = pool.urlopen(method, f"{path}?{query}", body=rest["body"], retries=False)
    check(answer)


@settings(max_examples=REQUESTS, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    path=st.one_of(
        st.tuples(
            st.sampled_from(["repo", "node"]),
            UUIDS,
            st.sampled_from(
                "info log note status commit branch newversion tag instance branch-versions/master x".split()
            ),
        ).map(lambda words: f"/api/{words[0]}/{words[1] if words[2] != 'commit' else 'zzz'}/{words[2]}"),
        st.sampled_from(["/api/repos", "/api/repos/info", "/api/server/settings", "/api/load", "/api/server/types"]),
    ),
    method=st.sampled_from(["GET", "POST", "DELETE"]),
    body=BODIES,
)
def test_requests_about_repositories(server: Any, path: str, method: str, body: bytes) -> None:
    pool, _ = server
    check(pool.urlopen(method, path, body=body, retries=False))


def check(answer: urllib3.BaseHTTPResponse) -> None:
    """No 5xx but 503, a refusal is one line, and it never speaks of Python."""
    assert answer.status < 500 or answer.status == 503, answer.data[:300]
    if answer.status >= 400 and answer.data:
        text = answer.data.decode()
        assert text.count("\n") == 1
        assert text.endswith("\n")
        assert "Traceback" not in text
        assert answer.headers["content-type"].startswith("text/plain")


def test_requests_made_of_the_description(server: Any) -> None:
    schemathesis = pytest.importorskip("schemathesis")
    pool, root = server
    schema = schemathesis.openapi.from_dict(json.loads(pool.request("GET", "/openapi.json").data))
    operations = [result.ok() for result in schema.get_all_operations()]
    each = max(3, REQUESTS // (4 * len(operations)))
    for operation in operations:

        @settings(max_examples=each, deadline=None, suppress_health_check=list(HealthCheck), database=None)
        @given(case=operation.as_strategy())
        def ask(case: Any) -> None:
            path = dict(case.path_parameters or {})
            if "uuid" in path and len(str(path["uuid"])) % 4:
                path["uuid"] = root
            if "name" in path and len(str(path["name"])) % 4 and case.method != "DELETE":
                path["name"] = ("uint8blk", "uint16blk", "roi", "keyvalue")[len(str(path["name"])) % 4]
            if case.operation.path.endswith("/commit"):
                path["uuid"] = "zzz"
            quoted = {key: urllib.parse.quote(str(value), safe="") for key, value in path.items()}
            target = case.operation.path.format(**quoted)
            query = urllib.parse.urlencode(dict(case.query or {}), doseq=True)
            body = case.body if isinstance(case.body, bytes) else None
            if body is None and isinstance(case.body, (dict, list, str, int, float)):
                body = json.dumps(case.body).encode()
            check(pool.urlopen(case.method, f"{target}?{query}", body=body, retries=False))

        ask()
