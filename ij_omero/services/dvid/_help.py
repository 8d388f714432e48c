"""What ``help`` answers."""

from __future__ import annotations

from ._voxel_types import KEYVALUE, OTHER_TYPES, ROI, VOXEL_TYPES

_SERVER = """\
Versioned volumes over HTTP, by DVID's interface.

A UUID may be shortened as long as it is unique; UUID:BRANCH is the leaf of a branch in that repository, and
UUID:BRANCH~2 the second version before it.

GET  /api/help[/TYPE]                           this text, or that of a data type
GET  /api/heartbeat, /api/load                  whether the server is alive, and busy
GET  /api/server/info, types, compiled-types    what the server is and has
POST /api/server/settings                       {"throttle": 2}: how many throttled requests at once
POST /api/repos                                 {"alias", "description", "root", "passcode"} -> {"root": UUID}
GET  /api/repos/info                            all repositories
HEAD /api/repo/UUID                             whether there is one
GET, POST /api/repo/UUID/info                   one repository; {"alias", "description"}
POST /api/repo/UUID/instance                    {"typename", "dataname", SETTINGS}
DELETE /api/repo/UUID/NAME?imsure=true          delete an instance of data at all versions
GET, POST /api/repo/UUID/log                    {"log": [...]}
GET  /api/repo/UUID/branch-versions/BRANCH      from its leaf to the root
GET, POST /api/node/UUID/note, log              {"note": ...}, {"log": [...]}
GET  /api/node/UUID/status                      {"Locked": true or false}
POST /api/node/UUID/commit                      {"note", "log"}: nobody writes to this version any more
POST /api/node/UUID/newversion                  {"note", "uuid"} -> {"child": UUID}
POST /api/node/UUID/branch                      {"branch", "note", "uuid"} -> {"child": UUID}
POST /api/node/UUID/tag                         {"tag", "note"}
/api/node/UUID/NAME/...                         data: see /api/help/TYPE

"""

_VOXELS = """\
Voxels of type {typename}, in blocks. Below /api/node/UUID/NAME/:

GET  help                                       this text
GET  info                                       settings and extents; POST changes some settings
GET  metadata                                   axes, as application/vnd.dvid-nd-data+json
POST extents                                    {{"MinPoint": [x, y, z], "MaxPoint": [x, y, z]}}
POST resolution                                 [x, y, z]
GET  rawkey?x=&y=&z=                            the key of a block
GET  raw/DIMS/SIZE/OFFSET[/FORMAT]              DIMS xy, xz, yz (0_1, 0_2, 1_2): a picture; 0_1_2: bytes, x fastest
POST raw/0_1_2/SIZE/OFFSET                      whole blocks only
GET  isotropic/DIMS/SIZE/OFFSET[/FORMAT]        a picture with square pixels
GET  arb/TOPLEFT/TOPRIGHT/BOTTOMLEFT/RES[/FORMAT]   a plane in any orientation, corners x_y_z in units of the resolution
GET  blocks/BLOCK/SPANX                         blocks along x, uncompressed; POST stores them
GET  specificblocks?blocks=x,y,z,...            int32 x, y, z, bytes, then these bytes, of every block that is there
GET  subvolblocks/SIZE/OFFSET                   the same for a box of whole blocks

SIZE and OFFSET are joined by _; FORMAT is png, jpg[:QUALITY], tif or bmp, for volumes jpg. Options: ?roi=NAME makes
voxels outside 0, &attenuation=1 to 7 shifts them right instead (1 byte per voxel); throttle=true is refused by 503
where as many such requests are at work as may be; mutate=true; compression=uncompressed or jpeg; prefetch=true.

Settings of a new instance, keys in any case: BlockSize (32,32,32), VoxelSize or Res (8.0), VoxelUnits (nanometers),
Background (0), MinPoint, MaxPoint, Compression (lz4, gzip[:LEVEL], jpeg[:QUALITY], none), Versioned, Tags.
"""

_ROI = """\
Regions of blocks. Below /api/node/UUID/NAME/:

GET, POST, DELETE roi                           [[z, y, x0, x1], ...]: blocks x0 to x1
GET  mask/0_1_2/SIZE/OFFSET                     a byte per voxel, 1 within the region
POST ptquery                                    [[x, y, z], ...] -> [true, ...]
GET  help, info

Settings of a new instance: BlockSize (32,32,32), Versioned, Tags.
"""

_VALUES = """\
Small values by name. Below /api/node/UUID/NAME/:

GET, POST, DELETE key/KEY                       one value
GET  keys                                       all keys
GET  keyrange/FIRST/LAST                        the keys from one to another, both included
GET  help, info
"""


def server_help() -> str:
    """Return the help of the whole server."""
    return _SERVER + "\n".join([*VOXEL_TYPES, *OTHER_TYPES]) + "\n"


def help_text(typename: str) -> str:
    """Return the help of a data type."""
    return {ROI: _ROI, KEYVALUE: _VALUES}.get(typename) or _VOXELS.format(typename=typename)
