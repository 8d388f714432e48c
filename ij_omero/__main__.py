"""`python -m ij_omero` is the ij-omero command."""

from __future__ import annotations

import sys

from ij_omero.cli import main

if __name__ == "__main__":
    sys.exit(main())
