"""Cutting regions out of images anywhere, and telling imgData: crop, imgdata."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ij_omero.errors import StorageError

from ._app import Command
from ._bars import Bar
from ._login import Login, login_options, opened_image
from ._output import json_option, print_json

if TYPE_CHECKING:
    from ij_omero.images import Image

_XML = (".xml", ".ome")
_PICTURES = (".png", ".jpg", ".jpeg", ".tif", ".tiff")
_OTHER_PICTURES = (".bmp", ".gif", ".jp2", ".npy", ".pdf", ".svg", ".webp", ".zarr")


def _secret(file: str | None, variable: str) -> str | None:
    """Return a secret from a file or the environment; a command line is seen by everybody on the machine."""
    if file is None:
        return os.environ.get(variable) or None
    try:
        text = (sys.stdin.read() if file == "-" else Path(file).expanduser().read_text(encoding="utf-8")).strip()
    except (OSError, UnicodeDecodeError) as error:
        raise click.UsageError(f"cannot read {file}: {error}") from None
    if not text:
        raise click.UsageError(f"{file} is empty; it holds the secret alone, in one line")
    return text


@click.command("crop", cls=Command)
@click.argument("url")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    default=Path(),
    help="The folder for the picture, out.png, or a file that ends with .png, .jpg or .tif.  [default: this folder]",
)
@click.option(
    "--from",
    "server",
    metavar="SERVER",
    envvar="IJ_OMERO_CROP_FROM",
    help="Where the image is, if URL does not say: https://host (an OMERO.web), omero://host, "
    "minerva+https://host/STAGE, a folder of images, or an OME-TIFF.  [env: IJ_OMERO_CROP_FROM]",
)
@click.option("--format", "kind", type=click.Choice(["png", "jpg", "tif"]), default="png", help="Of out.*; png.")
@click.option(
    "--composite",
    type=click.Choice(["minerva", "omero"]),
    default="minerva",
    help="How channels are mixed: as Minerva does (the default), or as OMERO does.",
)
@click.option("--cookie-file", metavar="FILE", help="An OMERO.web's cookie; - is stdin.  [env: OME_COOKIE]")
@click.option("--token-file", metavar="FILE", help="A Minerva server's token; - is stdin.  [env: MINERVA_TOKEN]")
@click.option(
    "--ome-xml",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The image's metadata.xml, for a Minerva server that does not give it.",
)
@login_options
@json_option
def crop_command(
    url: str,
    output: Path,
    server: str | None,
    kind: str,
    composite: str,
    cookie_file: str | None,
    token_file: str | None,
    ome_xml: Path | None,
    login: Login,
    as_json: bool,
) -> None:
    """Cut a region out of an image and write it as a picture, out.png.

    URL is OMERO.figure's: [SERVER/figure/render_scaled_region]/IMAGE/Z/T/?c=CHANNELS&region=X,Y,WIDTH,HEIGHT and
    perhaps &max_size=2000. A channel is 1|MIN:MAX$RRGGBB, hidden with a minus before it; several are separated by
    commas. The region may begin below 0 and exceed the image. Quote URL: the shell knows & and | and $ too.
    """
    from ij_omero.crop import crop, parse_crop_address, save_picture

    request = parse_crop_address(url, server)
    ending = output.suffix.lower()
    if ending in _OTHER_PICTURES and not output.is_dir():
        raise click.UsageError(f"{ending} pictures are not written; name a .png, .jpg or .tif file, or a folder")
    named = ending in _PICTURES and not output.is_dir()
    path = output if named else output / f"out.{kind}"
    given: dict[str, Any] = login.given()
    if request.server.startswith("http"):
        given = {
            "user": login.user or os.environ.get("OMERO_USER"),
            "password": login.password or os.environ.get("OMERO_PASSWORD"),
        }
    with Bar() as bar:
        done = crop(
            request,
            composite=composite,
            cookie=_secret(cookie_file, "OME_COOKIE"),
            token=_secret(token_file, "MINERVA_TOKEN"),
            ome_xml=ome_xml.read_bytes() if ome_xml else None,
            progress=bar,
            **given,
        )
    save_picture(done.picture, path)
    height, width, _ = done.picture.shape
    if as_json:
        print_json({"file": str(path), "width": width, "height": height, "level": done.level})
    else:
        click.echo(f"Cropping 1/{2**done.level} scale: {width} x {height} -> {path}")


def _details(image: Image) -> dict[str, Any] | None:
    """Return what an image's store knows for imgData beside its description."""
    from ij_omero.pixels import ImageDataDetails

    store = image.store.store
    if not isinstance(store, ImageDataDetails):
        return None
    return store.image_data_details(image.image_id, pixels_id=image.description.pixels_id)


@click.command("imgdata", cls=Command)
@click.argument("address")
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="A file; printed without.")
@click.option("--image", help="Which image of an OME-XML file, by its id without Image:; the first without.")
@login_options
def imgdata_command(address: str, output: Path | None, image: str | None, login: Login) -> None:
    """Tell imgData, OMERO.web's description of an image, of the image at ADDRESS or in an OME-XML file (.xml)."""
    from ij_omero.rendering import image_data, image_data_from_ome_xml

    path = Path(address).expanduser()
    if path.suffix.lower() in _XML and path.is_file():
        data = image_data_from_ome_xml(path.read_bytes(), image)
    else:
        with opened_image(address, login) as opened:
            data = image_data(opened.description, opened.levels, details=_details(opened))
    if output is None:
        print_json(data)
        return
    part = output.with_name(f".{output.name}.part")
    try:
        part.write_text(json.dumps(data))
        part.replace(output)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise StorageError(f"cannot write {output}: {error.strerror}") from error
