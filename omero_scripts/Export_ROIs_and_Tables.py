#!/usr/bin/env python
"""Writes the ROIs and the tables of images into CSV files, in one zip file that is attached to them."""

from __future__ import annotations

import csv
import io
import tempfile
import zipfile
from pathlib import Path

import omero.scripts as scripts
from omero.gateway import BlitzGateway
from omero.rtypes import rlong, robject, rstring, unwrap

GEOMETRY = ("x", "y", "width", "height", "radiusX", "radiusY", "x1", "y1", "x2", "y2", "points")
ROI_COLUMNS = ("image_id", "image", "roi_id", "roi", "shape_id", "type", "text", "z", "c", "t", *GEOMETRY)
ROWS_AT_ONCE = 10000


def images_of(conn: BlitzGateway, data_type: str, ids: list[int]) -> tuple[list, list]:
    """Return what is named, and the images that it is or holds."""
    found = {one.getId(): one for one in conn.getObjects(data_type, ids)}
    missing = [one for one in ids if one not in found]
    if missing:
        raise ValueError(f"no {data_type} with id {', '.join(map(str, missing))} is visible to you")
    named = [found[one] for one in ids]
    images = named if data_type == "Image" else [image for one in named for image in one.listChildren()]
    return named, list({image.getId(): image for image in images}.values())


def roi_rows(conn: BlitzGateway, image: object) -> list[list]:
    """Return a row for each shape; z, c and t count from 0 and are empty where the shape is on all of them."""
    rows = []
    for roi in conn.getRoiService().findByImage(image.getId(), None, conn.SERVICE_OPTS).rois:
        for shape in roi.copyShapes():
            kind = type(shape).__name__.removesuffix("I")
            where = [unwrap(value) for value in (shape.theZ, shape.theC, shape.theT)]
            geometry = [unwrap(getattr(shape, name, None)) for name in GEOMETRY]
            head = [image.getId(), image.getName(), roi.id.val, unwrap(roi.name), shape.id.val, kind]
            rows.append([*head, unwrap(shape.textValue), *where, *geometry])
    return rows


def table_rows(conn: BlitzGateway, file: object) -> list[list]:
    """Return a table's header and rows."""
    context = {"omero.group": str(file.getDetails().getGroup().getId())}
    table = conn.c.sf.sharedResources(context).openTable(file._obj, context)
    if table is None:
        raise ValueError(f"the table {file.getName()} cannot be opened: is the server's table service running?")
    try:
        columns = range(len(table.getHeaders()))
        rows = [[column.name for column in table.getHeaders()]]
        total = table.getNumberOfRows()
        for start in range(0, total, ROWS_AT_ONCE):
            data = table.read(list(columns), start, min(start + ROWS_AT_ONCE, total))
            rows += [list(row) for row in zip(*(column.values for column in data.columns), strict=True)]
        return rows
    finally:
        table.close()


def csv_text(rows: list) -> str:
    """Return rows as comma-separated values."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(["" if one is None else one for one in row] for row in rows)
    return text.getvalue()


def export(conn: BlitzGateway, images: list, path: Path) -> tuple[int, int]:
    """Write the zip file; return how many shapes and tables are in it."""
    shapes: list[list] = []
    tables = 0
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for image in images:
            shapes += roi_rows(conn, image)
            for annotation in image.listAnnotations():
                file = annotation.getFile() if annotation.OMERO_TYPE.__name__ == "FileAnnotationI" else None
                if file is not None and file.getMimetype() == "OMERO.tables":
                    name = "".join(c if c.isalnum() or c in " -_." else "_" for c in file.getName())
                    rows = table_rows(conn, file)
                    archive.writestr(f"tables/{image.getId()}_{file.getId()}_{name}.csv", csv_text(rows))
                    tables += 1
        archive.writestr("rois.csv", csv_text([ROI_COLUMNS, *shapes]))
    return len(shapes), tables


def run_script() -> None:
    """Declare the parameters, and do the work where the script is really run."""
    types = [rstring("Image"), rstring("Dataset")]
    client = scripts.client(
        "Export ROIs and Tables",
        "Writes all ROIs into rois.csv and each table into a CSV file of its own, in one zip file that is attached to "
        "the first image or dataset.",
        scripts.String("Data_Type", optional=False, grouping="1", values=types, default="Image"),
        scripts.List("IDs", optional=False, grouping="2").ofType(rlong(0)),
        namespaces=["ij_omero/imagej"],
    )
    try:
        given = client.getInputs(unwrap=True)
        conn = BlitzGateway(client_obj=client)
        conn.SERVICE_OPTS.setOmeroGroup("-1")
        try:
            named, images = images_of(conn, given["Data_Type"], given["IDs"])
            group = named[0].getDetails().getGroup().getId()
            conn.SERVICE_OPTS.setOmeroGroup(str(group))
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / "rois-and-tables.zip"
                shapes, tables = export(conn, images, path)
                if not shapes and not tables:
                    client.setOutput("Message", rstring(f"{len(images)} images have neither ROIs nor tables."))
                    return
                attached = conn.createFileAnnfromLocalFile(
                    str(path), mimetype="application/zip", ns="ij_omero/export", origFilePathAndName=path.name
                )
                named[0].linkAnnotation(attached)
        except ValueError as error:
            client.setOutput("Message", rstring(f"Failed: {error}"))
            raise SystemExit(1) from error
        message = f"{shapes} shapes and {tables} tables of {len(images)} images exported."
        client.setOutput("Message", rstring(message))
        client.setOutput("File_Annotation", robject(attached._obj))
    finally:
        client.closeSession()


if __name__ == "__main__":
    run_script()
