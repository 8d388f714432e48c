"""Flips bits of a file of edits, each in a child of its own: python _flip_drill.py FOLDER SEED COUNT; prints JSON."""

from __future__ import annotations

import json
import logging
import os
import random
import shutil
import struct
import sys
from collections import Counter
from pathlib import Path

from ij_omero.cells import CellCache, recover_edits
from ij_omero.errors import IJOmeroError
from tests._cells import ArraySource, describe

SIZE, CELL, CELLS = 256, 64, 16
PAGE, OVERFLOW = 4096, 4


def opened(folder: Path) -> str:
    """Return what a user gets from these edits: 'right', 'told', or what is wrong."""
    outcome = "right"
    try:
        source = ArraySource(describe(SIZE, SIZE))
        cells = recover_edits("edits", source, root=folder, autosave=None)
        if cells.dirty_cells() != list(range(CELLS)):
            outcome = "told" if told.count else "cells are missing, and nobody was told"
        for index in cells.dirty_cells():
            try:
                pixels = cells.cell(index)
            except IJOmeroError:
                outcome = "told"
                continue
            if not (pixels == 1000 + index).all():
                return f"cell {index} shows {pixels[0, 0]}"
    except IJOmeroError:
        return "told"
    return outcome


class LogCounter(logging.Handler):
    """Counts warnings."""

    count = 0

    def emit(self, record: logging.LogRecord) -> None:
        self.count += record.levelno >= logging.WARNING


told = LogCounter()


def bytes_of_the_tree(whole: bytes) -> list[int]:
    """Return where bytes other than zero are, pages of pixels left out (flags and length: bytes 10 and 12)."""
    found: list[int] = []
    page = 0
    while page * PAGE < len(whole):
        start = page * PAGE
        flags, length = struct.unpack_from("<HI", whole, start + 10)
        if flags == OVERFLOW:
            found += range(start, start + 16)
            page += length
            continue
        found += [at for at in range(start, start + PAGE) if whole[at]]
        page += 1
    return found


def main() -> None:
    folder, seed, count = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    logging.getLogger("ij_omero").addHandler(told)
    logging.getLogger("ij_omero").propagate = False
    cells = CellCache(ArraySource(describe(SIZE, SIZE)), spill=folder, cell_shape=(CELL, CELL), autosave=None)
    for value in (1, 1000):
        for index in range(CELLS):
            plane, region = cells.grid.locate(index)
            cells.write(plane, region, value + index)
        cells.flush()
    cells.close()
    kept = next(folder.iterdir()).rename(folder / "edits")
    whole = (kept / "cells.mdb").read_bytes()
    pages = len(whole) // PAGE
    used = bytes_of_the_tree(whole)
    rng = random.Random(seed)  # noqa: S311 - places, no secrets
    outcomes: Counter[str] = Counter()
    wrong = []
    for number in range(count):
        # the few bytes that lead to the pixels get half of the flips
        at, bit = rng.choice(used) if number % 2 else rng.randrange(len(whole)), rng.randrange(8)
        damaged = folder / "damaged"
        shutil.copytree(kept, damaged / "edits")
        with (damaged / "edits" / "cells.mdb").open("r+b") as file:
            file.seek(at)
            file.write(bytes([whole[at] ^ 1 << bit]))
        reading, writing = os.pipe()
        child = os.fork()
        if not child:
            os.write(writing, opened(damaged).encode())
            os._exit(0)
        os.close(writing)
        with os.fdopen(reading) as report:
            outcome = report.read()
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        outcome = outcome if status == 0 else f"ended with {status}"
        shutil.rmtree(damaged)
        outcomes[outcome] += 1
        if outcome not in ("right", "told"):
            wrong.append(f"byte {at % PAGE} of page {at // PAGE}, bit {bit}: {outcome}")
    print(json.dumps({"outcomes": outcomes, "wrong": wrong, "pages": pages, "used": len(used)}))


if __name__ == "__main__":
    main()
