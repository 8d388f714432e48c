"""Repositories, versions, and what a UUID in an address means."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .conftest import Dvid


def block(value: int) -> bytes:
    return bytes([value]) * 32**3


def test_a_repository_is_told_with_its_versions_and_data(dvid: Dvid) -> None:
    root = dvid.new_repo(alias="flies", description="some", passcode="secret")
    dvid.new_instance(root, "grey")
    told = dvid.get(f"/api/repo/{root[:8]}/info").json()
    assert (told["Root"], told["Alias"], told["Description"]) == (root, "flies", "some")
    assert told["DAG"]["Nodes"][root]["Locked"] is False
    assert told["DataInstances"]["grey"]["Base"]["TypeName"] == "uint8blk"
    assert set(dvid.get("/api/repos/info").json()) == {root}
    assert "secret" not in dvid.get("/api/repos/info").text
    assert dvid.ask("HEAD", f"/api/repo/{root}").status_code == 200
    dvid.post(f"/api/repo/{root}/info", json={"alias": "other"})
    told = dvid.get(f"/api/repo/{root}/info").json()
    assert (told["Alias"], told["Description"]) == ("other", "some")


def test_a_root_may_be_wished_for_once(dvid: Dvid) -> None:
    wished = "28841c8277e044a7b187dda03e18da13"
    assert dvid.new_repo(root=wished) == wished
    again = dvid.post("/api/repos", json={"root": wished})
    assert (again.status_code, "already exists" in again.text) == (400, True)
    assert dvid.post("/api/repos", json={"root": "no uuid"}).status_code == 400


def test_versions_keep_what_was_in_them(dvid: Dvid, uuid: str) -> None:
    dvid.new_instance(uuid, "grey")
    place = "grey/raw/0_1_2/32_32_32/0_0_0"
    assert dvid.post(f"/api/node/{uuid}/{place}", content=block(1)).status_code == 200
    assert dvid.post(f"/api/node/{uuid}/newversion").status_code == 400  # still open
    assert dvid.get(f"/api/node/{uuid}/status").json() == {"Locked": False}
    committed = dvid.post(f"/api/node/{uuid}/commit", json={"note": "first", "log": ["a", "b"]})
    assert committed.json() == {"committed": uuid}
    assert dvid.get(f"/api/node/{uuid}/status").json() == {"Locked": True}
    assert dvid.get(f"/api/node/{uuid}/note").json() == {"note": "first"}
    assert dvid.get(f"/api/node/{uuid}/log").json() == {"log": ["a", "b"]}
    child = dvid.post(f"/api/node/{uuid}/newversion", json={"note": "second"}).json()["child"]
    branch = dvid.post(f"/api/node/{uuid}/branch", json={"branch": "mine"}).json()["child"]
    dvid.post(f"/api/node/{child}/{place}", content=block(2))
    found = {name: dvid.get(f"/api/node/{name}/{place}").content[:1] for name in (uuid, child, branch)}
    assert found == {uuid: b"\1", child: b"\2", branch: b"\1"}
    dvid.post(f"/api/node/{branch}/{place}", content=block(3))
    found = {name: dvid.get(f"/api/node/{name}/{place}").content[:1] for name in (uuid, child, branch)}
    assert found == {uuid: b"\1", child: b"\2", branch: b"\3"}


def test_committed_versions_take_no_writes(dvid: Dvid, uuid: str) -> None:
    grey = dvid.new_instance(uuid, "grey")
    dvid.new_instance(uuid, "region", "roi")
    dvid.new_instance(uuid, "values", "keyvalue")
    dvid.post(f"/api/node/{uuid}/commit", json={})
    refused = {
        "raw": dvid.post(f"{grey}/raw/0_1_2/32_32_32/0_0_0", content=block(1)),
        "blocks": dvid.post(f"{grey}/blocks/0_0_0/1", content=block(1)),
        "extents": dvid.post(f"{grey}/extents", json={"MinPoint": [0, 0, 0], "MaxPoint": [1, 1, 1]}),
        "resolution": dvid.post(f"{grey}/resolution", json=[1, 2, 3]),
        "roi": dvid.post(f"/api/node/{uuid}/region/roi", json=[[0, 0, 0, 0]]),
        "key": dvid.post(f"/api/node/{uuid}/values/key/a", content=b"1"),
    }
    for endpoint, answer in refused.items():
        assert answer.status_code == 400, endpoint
        assert f'Cannot do POST on endpoint "{endpoint}" of locked node {uuid}' in answer.text
        assert answer.text.endswith(f" ({answer.request.url.path}).\n")
    for path, told in (("note", {"note": "x"}), ("log", {"log": ["x"]}), ("commit", {})):
        assert "locked node" in dvid.post(f"/api/node/{uuid}/{path}", json=told).text
    assert "locked node" in dvid.post(f"/api/repo/{uuid}/instance", json={"typename": "roi", "dataname": "x"}).text


def test_data_without_versions_is_one_for_all(dvid: Dvid, uuid: str) -> None:
    grey = dvid.new_instance(uuid, "grey", versioned="false")
    dvid.post(f"/api/node/{uuid}/commit", json={})
    child = dvid.post(f"/api/node/{uuid}/newversion").json()["child"]
    assert dvid.post(f"{grey}/blocks/0_0_0/1", content=block(7)).status_code == 200
    assert dvid.get(f"/api/node/{child}/grey/blocks/0_0_0/1").content == block(7)


def test_branches_have_names_of_their_own(dvid: Dvid, uuid: str) -> None:
    dvid.post(f"/api/node/{uuid}/commit", json={})
    for name in ("", "master"):
        assert "Cannot create a master branch" in dvid.post(f"/api/node/{uuid}/branch", json={"branch": name}).text
    first = dvid.post(f"/api/node/{uuid}/branch", json={"branch": "mine"}).json()["child"]
    assert "branch already exists" in dvid.post(f"/api/node/{uuid}/branch", json={"branch": "mine"}).text
    dvid.post(f"/api/node/{first}/commit", json={})
    second = dvid.post(f"/api/node/{first}/newversion").json()["child"]
    assert "branch already exists" in dvid.post(f"/api/node/{first}/newversion").text
    assert dvid.get(f"/api/repo/{uuid}/branch-versions/mine").json() == [second, first, uuid]
    assert dvid.get(f"/api/repo/{uuid}/branch-versions/master").json() == [uuid]
    assert dvid.get(f"/api/repo/{uuid}/branch-versions/nobody").json() == []
    tag = dvid.post(f"/api/node/{first}/tag", json={"tag": "v1.0"})
    assert tag.json() == {"child": "v1.0"}
    assert dvid.get("/api/node/v1.0/status").json() == {"Locked": True}


def test_versions_are_named_by_beginnings_and_branches(dvid: Dvid) -> None:
    root = dvid.new_repo(root="aab00000000000000000000000000000")
    dvid.new_instance(root, "grey")
    assert dvid.get("/api/node/:master/note").status_code == 200  # the only repository
    other = dvid.new_repo(root="aac00000000000000000000000000000")
    dvid.post(f"/api/node/{root}/commit", json={})
    leaf = dvid.post(f"/api/node/{root}/newversion", json={"note": "leaf"}).json()["child"]
    for name in ("aab:master", "AAB:master", "aab:", f"{leaf[:10]}:master", "aab:master~0"):
        assert dvid.get(f"/api/node/{name}/note").json() == {"note": "leaf"}, name
    assert dvid.get("/api/node/aab:master~1/status").json() == {"Locked": True}
    refused = {
        "aa": "more than one UUID matches aa",
        "zz": "could not find UUID with partial match to zz",
        "a:b:c": 'bad UUID specification "a:b:c"',
        ":master": "UUID must be specified if more than one repo exists",
        "aab:mine": f'branch "mine" not found in repo "{root}"',
        "aab:master~9": 'parent 9 is out of range for branch "master"',
    }
    for name, said in refused.items():
        answer = dvid.get(f"/api/node/{name}/grey/info")
        assert (answer.status_code, answer.text) == (400, f"{said} (/api/node/{name}/grey/info).\n")
    assert "invalid data instance name" in dvid.get(f"/api/node/{other}/grey/info").text


def test_data_is_deleted_by_who_is_sure(dvid: Dvid) -> None:
    root = dvid.new_repo(passcode="1234")
    grey = dvid.new_instance(root, "grey")
    dvid.post(f"{grey}/blocks/0_0_0/1", content=block(7))
    assert dvid.ask("DELETE", f"/api/repo/{root}/grey").status_code == 400
    assert dvid.ask("DELETE", f"/api/repo/{root}/grey?imsure=true").status_code == 400
    assert dvid.ask("DELETE", f"/api/repo/{root}/grey?imsure=true&passcode=1235").status_code == 400
    assert dvid.ask("DELETE", f"/api/repo/{root}/grey?imsure=true&passcode=1234").status_code == 200
    assert dvid.get(f"{grey}/info").status_code == 400
    grey = dvid.new_instance(root, "grey")
    assert dvid.get(f"{grey}/blocks/0_0_0/1").content == block(0)


def test_read_only_servers_refuse_everything_else(tmp_path: object) -> None:
    from ij_omero.services.dvid import Limits

    from .conftest import Dvid

    server = Dvid(tmp_path / "store", Limits(read_only=True))  # type: ignore[operator]
    try:
        answer = server.post("/api/repos", json={})
        assert (answer.status_code, "read-only" in answer.text) == (400, True)
        assert server.get("/api/repos/info").json() == {}
    finally:
        server.close()
