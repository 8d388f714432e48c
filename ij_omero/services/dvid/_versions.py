"""A repository's versions: nodes that are open or committed, each with its branch, in a tree."""

from __future__ import annotations

import datetime
import re
import uuid
from dataclasses import dataclass, field
from typing import Any

from ij_omero.errors import InvalidInputError

MASTER = "master"
_UUID = re.compile(r"[0-9a-f]{32}")
_IMAGE = re.compile(r"[0-9]+f+")
_TAG = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
LONGEST_TEXT = 1 << 16


def now_text() -> str:
    """Return the time as DVID tells it."""
    return datetime.datetime.now(datetime.timezone.utc).isoformat()


def new_uuid() -> str:
    """Return 32 hexadecimal digits that nobody has."""
    return uuid.uuid4().hex


def check_uuid(text: str) -> str:
    """Return a UUID that a client wishes for, or raise InvalidInputError."""
    if not isinstance(text, str) or not _UUID.fullmatch(text.lower()):
        raise InvalidInputError(f"Bad UUID provided: {str(text)[:80]!r}; expected 32 hexadecimal digits")
    if _IMAGE.fullmatch(text.lower()):
        raise InvalidInputError(f"UUID {text} is one of those that images of a store have; choose another")
    return text.lower()


def check_tag(text: Any) -> str:
    """Return a tag's name, or raise InvalidInputError."""
    if not isinstance(text, str) or not _TAG.fullmatch(text):
        raise InvalidInputError(f"{str(text)[:80]!r} is no tag; expected letters, digits, '.', '_' or '-'")
    return text


@dataclass
class Node:
    """One version.

    Attributes
    ----------
    number
        Its number in the store, which keys of blocks hold.
    uuid
        Its name.
    branch
        The branch that it lies on; empty is the master branch.
    note, log
        What people and programs said of it.
    locked
        Whether it was committed.
    parent
        The number of the version before it.
    children
        Numbers of the versions after it.
    """

    number: int
    uuid: str
    branch: str = ""
    note: str = ""
    log: list[str] = field(default_factory=list)
    locked: bool = False
    parent: int | None = None
    children: list[int] = field(default_factory=list)
    created: str = field(default_factory=now_text)
    updated: str = field(default_factory=now_text)

    def told(self) -> dict[str, Any]:
        """Return it as repository descriptions have it."""
        return {
            "Branch": self.branch,
            "Note": self.note,
            "Log": self.log,
            "UUID": self.uuid,
            "VersionID": self.number,
            "Locked": self.locked,
            "Parents": [] if self.parent is None else [self.parent],
            "Children": self.children,
            "Created": self.created,
            "Updated": self.updated,
        }


class Versions:
    """The versions of one repository.

    Parameters
    ----------
    nodes
        By number; one has no parent.
    """

    def __init__(self, nodes: dict[int, Node]) -> None:
        self.nodes = nodes
        self.root = next(node for node in nodes.values() if node.parent is None)

    def ancestry(self, node: Node) -> list[Node]:
        """Return a version and all before it, the root last."""
        line = [node]
        while line[-1].parent is not None:
            line.append(self.nodes[line[-1].parent])
        return line

    def branch(self, name: str) -> list[Node]:
        """Return a branch from its leaf to the root; empty where there is no such branch."""
        wanted = "" if name in ("", MASTER) else name
        found = [node for node in self.nodes.values() if node.branch == wanted]
        if not found:
            return []
        leaf = next(node for node in found if not any(self.nodes[c].branch == wanted for c in node.children))
        return self.ancestry(leaf)

    def commit(self, node: Node, note: str, log: list[str]) -> None:
        """Lock a version."""
        if node.locked:
            raise InvalidInputError(f"node {node.uuid} already committed")
        node.locked = True
        node.note = note or node.note
        node.log += log
        node.updated = now_text()

    def add(self, parent: Node, child: Node) -> None:
        """Add a version after a committed one, on its branch or on a new one.

        Raises
        ------
        InvalidInputError
            The parent is open, or the branch exists.
        """
        if not parent.locked:
            raise InvalidInputError("can't branch an unlocked node")
        if child.branch == parent.branch:
            taken = any(self.nodes[number].branch == child.branch for number in parent.children)
        else:
            taken = any(node.branch == child.branch for node in self.nodes.values())
        if taken:
            raise InvalidInputError("branch already exists with given name")
        child.parent = parent.number
        parent.children.append(child.number)
        parent.updated = now_text()
        self.nodes[child.number] = child
