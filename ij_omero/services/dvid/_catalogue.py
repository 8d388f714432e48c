"""Which repositories, versions and instances there are, and what a UUID in an address means."""

from __future__ import annotations

import bisect
import json
import re
import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ij_omero.errors import InvalidInputError, NotFoundError

from ._instances import Instance
from ._versions import MASTER, Node, Versions, now_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ._geometry import Box

_REPO = b"r"
_CHANGES = b"c"
_NEXT = b"n"
_NUMBER = struct.Struct(">Q")


@dataclass
class Repo:
    """One repository: its versions and its instances."""

    uuid: str
    versions: Versions
    alias: str = ""
    description: str = ""
    passcode: str = ""
    log: list[str] = field(default_factory=list)
    instances: dict[str, Instance] = field(default_factory=dict)
    created: str = field(default_factory=now_text)
    updated: str = field(default_factory=now_text)

    def told(self, extents: dict[str, Box | None]) -> dict[str, Any]:
        """Return what ``info`` answers; `extents` are those of the instances."""
        nodes = {node.uuid: node.told() for node in self.versions.nodes.values()}
        return {
            "Root": self.uuid,
            "Alias": self.alias,
            "Description": self.description,
            "Log": self.log,
            "Properties": {},
            "DataInstances": {name: each.told(extents.get(name)) for name, each in self.instances.items()},
            "DAG": {"Root": self.uuid, "Nodes": nodes},
            "Created": self.created,
            "Updated": self.updated,
        }

    def instance(self, name: str) -> Instance:
        """Return an instance by its name, or raise NotFoundError."""
        found = self.instances.get(name)
        if found is None:
            raise NotFoundError(f'invalid data instance name: there is no "{name[:200]}" in repo {self.uuid}')
        return found

    def to_json(self) -> bytes:
        """Return it as it is kept."""
        told = vars(self) | {
            "versions": [vars(node) for node in self.versions.nodes.values()],
            "instances": [each.to_json() for each in self.instances.values()],
        }
        return json.dumps(told).encode()

    @classmethod
    def from_json(cls, value: bytes) -> Repo:
        """Undo `to_json`."""
        told = json.loads(value)
        nodes = [Node(**node) for node in told.pop("versions")]
        instances = [Instance.from_json(each) for each in told.pop("instances")]
        versions = Versions({node.number: node for node in nodes})
        return cls(versions=versions, instances={each.name: each for each in instances}, **told)


class Catalogue:
    """All repositories as they were at one moment.

    Parameters
    ----------
    transaction
        Of the database.
    """

    def __init__(self, transaction: Any) -> None:
        self.changes = changes_of(transaction)
        self.repos = {repo.uuid: repo for repo in _read_repos(transaction)}
        self._places: dict[str, tuple[Repo, Node]] = {
            node.uuid: (repo, node) for repo in self.repos.values() for node in repo.versions.nodes.values()
        }
        self._uuids = sorted(self._places)
        self._found: dict[str, tuple[Repo, Node]] = {}

    def find(self, text: str) -> tuple[Repo, Node]:
        """Return the version that a UUID, the beginning of one, or ``UUID:branch`` names.

        Raises
        ------
        NotFoundError
            There is none, or more than one, or the text has two colons.
        """
        found = self._found.get(text)
        if found is None:
            found = self._find(text)
            if len(self._found) < 10_000:
                self._found[text] = found
        return found

    def _find(self, text: str) -> tuple[Repo, Node]:
        prefix, *branches = text.split(":")
        if len(branches) > 1:
            raise NotFoundError(f'bad UUID specification "{text[:200]}"')
        if branches and not prefix:
            if len(self.repos) != 1:
                raise NotFoundError("UUID must be specified if more than one repo exists")
            return self._leaf(next(iter(self.repos.values())), branches[0])
        repo, node = self._place(prefix)
        return self._leaf(repo, branches[0]) if branches else (repo, node)

    def _place(self, prefix: str) -> tuple[Repo, Node]:
        if prefix in self._places:
            return self._places[prefix]
        for wanted in dict.fromkeys((prefix, prefix.lower())):
            at = bisect.bisect_left(self._uuids, wanted)
            matches = [uuid for uuid in self._uuids[at : at + 2] if wanted and uuid.startswith(wanted)]
            if len(matches) > 1:
                raise NotFoundError(f"more than one UUID matches {prefix[:200]}")
            if matches:
                return self._places[matches[0]]
        raise NotFoundError(f"could not find UUID with partial match to {prefix[:200]}")

    def _leaf(self, repo: Repo, name: str) -> tuple[Repo, Node]:
        branch, tilde, back = (name or MASTER).partition("~")
        line = repo.versions.branch(branch)
        if not line:
            raise NotFoundError(f'branch "{branch[:200]}" not found in repo "{repo.uuid}"')
        if not tilde:
            return repo, line[0]
        if not re.fullmatch(r"[0-9]{1,9}", back) or int(back) >= len(line):
            raise NotFoundError(f'parent {back[:40]} is out of range for branch "{branch[:200]}"')
        return repo, line[int(back)]

    def is_taken(self, uuid: str) -> bool:
        """Whether a version has this UUID."""
        return uuid in self._places


def changes_of(transaction: Any) -> int:
    """Return how often the catalogue was written."""
    value = transaction.get(_CHANGES)
    return 0 if value is None else int(_NUMBER.unpack(value)[0])


def put_repo(transaction: Any, repo: Repo) -> None:
    """Keep a repository as it is now."""
    repo.updated = now_text()
    transaction.put(_REPO + repo.uuid.encode(), repo.to_json())
    transaction.put(_CHANGES, _NUMBER.pack(changes_of(transaction) + 1))


def next_number(transaction: Any, *, kind: bytes) -> int:
    """Return a number for a new version or instance; none is given twice."""
    value = transaction.get(_NEXT + kind)
    number = 1 if value is None else int(_NUMBER.unpack(value)[0])
    if number >= 1 << 32:
        raise InvalidInputError("this store has no numbers left for new versions and instances; begin another one")
    transaction.put(_NEXT + kind, _NUMBER.pack(number + 1))
    return number


def _read_repos(transaction: Any) -> Iterator[Repo]:
    cursor = transaction.cursor()
    if not cursor.set_range(_REPO):
        return
    for key, value in cursor:
        if bytes(key[:1]) != _REPO:
            return
        yield Repo.from_json(bytes(value))
