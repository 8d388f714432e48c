from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests._omero import MakeGroup, MakeUser


def test_each_test_gets_users_of_its_own_in_the_group_it_asks_for(omero_user: MakeUser, omero_group: MakeGroup) -> None:
    group = omero_group("rwra--")
    ana, ben = omero_user(group), omero_user(group, owner=True)
    assert ana.name != ben.name
    with ana.gateway() as connected:
        assert connected.getGroupFromContext().getName() == group.name
        assert str(connected.getGroupFromContext().getDetails().getPermissions()) == "rwra--"
    with ben.gateway() as connected:
        assert [owned.id for owned in connected.listOwnedGroups()] == [group.id]
