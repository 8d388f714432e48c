"""ImageJ modules as OMERO scripts."""
