#!/usr/bin/env python
"""Renames images: a pattern, or a text in the place of another."""

from __future__ import annotations

import omero.scripts as scripts
from omero.gateway import BlitzGateway
from omero.rtypes import rlong, robject, rstring

FIELDS = "{name}, {id}, {number} and {dataset}"


def images_of(conn: BlitzGateway, data_type: str, ids: list[int]) -> list:
    """Return the images that are named, or lie in the datasets that are named."""
    found = {one.getId(): one for one in conn.getObjects(data_type, ids)}
    missing = [one for one in ids if one not in found]
    if missing:
        raise ValueError(f"no {data_type} with id {', '.join(map(str, missing))} is visible to you")
    if data_type == "Image":
        return [found[one] for one in ids]
    listed = [image for one in ids for image in found[one].listChildren()]
    return list({image.getId(): image for image in listed}.values())


def new_names(images: list, pattern: str, find: str, replace_with: str) -> list[str]:
    """Return the images' new names."""
    names = []
    for number, image in enumerate(images, 1):
        name = image.getName()
        if find:
            name = name.replace(find, replace_with)
        parent = image.getParent()
        dataset = parent.getName() if parent is not None else ""
        try:
            names.append(pattern.format(name=name, id=image.getId(), number=number, dataset=dataset))
        except (KeyError, IndexError, ValueError) as error:
            raise ValueError(f"New_Name may hold {FIELDS}, and not {pattern!r}") from error
    if not all(names):
        raise ValueError("an image would have no name left; nothing was renamed")
    return names


def rename(conn: BlitzGateway, images: list, names: list[str]) -> int:
    """Give images their new names, all in one step; return how many have another name than before."""
    changed = []
    for image, name in zip(images, names, strict=True):
        if image.getName() == name:
            continue
        if not image.canEdit():
            raise ValueError(f"you may not rename {image.getName()} ({image.getId()}); nothing was renamed")
        image.setName(name)
        changed.append(image._obj)
    if changed:
        group = {"omero.group": str(images[0].getDetails().getGroup().getId())}
        conn.getUpdateService().saveArray(changed, group)
    return len(changed)


def run_script() -> None:
    """Declare the parameters, and do the work where the script is really run."""
    types = [rstring("Image"), rstring("Dataset")]
    client = scripts.client(
        "Rename Images",
        "Renames images: New_Name is a pattern, and Find and Replace_With change a part of each name.",
        scripts.String("Data_Type", optional=False, grouping="1", values=types, default="Image"),
        scripts.List("IDs", optional=False, grouping="2").ofType(rlong(0)),
        scripts.String(
            "New_Name", grouping="3", default="{name}", description=f"A name with {FIELDS}, e.g. cells {{number}}"
        ),
        scripts.String("Find", grouping="4", description="A text in the names"),
        scripts.String("Replace_With", grouping="5", description="What takes its place; nothing removes it"),
        namespaces=["ij_omero/imagej"],
    )
    try:
        given = client.getInputs(unwrap=True)
        conn = BlitzGateway(client_obj=client)
        conn.SERVICE_OPTS.setOmeroGroup("-1")
        try:
            images = images_of(conn, given["Data_Type"], given["IDs"])
            names = new_names(
                images, given.get("New_Name") or "{name}", given.get("Find", ""), given.get("Replace_With", "")
            )
            count = rename(conn, images, names)
        except ValueError as error:
            client.setOutput("Message", rstring(f"Failed: {error}"))
            raise SystemExit(1) from error
        client.setOutput("Message", rstring(f"{count} of {len(images)} images renamed."))
        if images:
            client.setOutput("Renamed_Image", robject(images[0]._obj))
    finally:
        client.closeSession()


if __name__ == "__main__":
    run_script()
