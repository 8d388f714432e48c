"""ImageJ modules as OMERO scripts: generated wrappers, the job that a wrapper runs, installing and removing."""
