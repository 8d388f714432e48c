"""Regions cut out of images that are anywhere: OMERO.web, a Minerva server, OMERO over Ice, a folder, an OME-TIFF.

What is asked for is said in OMERO.figure's ``render_scaled_region`` grammar; the answer is one picture.
"""

from __future__ import annotations

from ._cropping import Crop, CropRequest, crop, parse_crop_address
from ._http import HttpClient
from ._minerva import open_minerva
from ._picture_file import save_picture
from ._remote_tiles import RemoteTiles
from ._web_gateway import WebGateway

__all__ = [
    "Crop",
    "CropRequest",
    "HttpClient",
    "RemoteTiles",
    "WebGateway",
    "crop",
    "open_minerva",
    "parse_crop_address",
    "save_picture",
]
