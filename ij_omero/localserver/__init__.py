"""A real OMERO.server on this machine, from public packages."""
