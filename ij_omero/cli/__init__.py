"""The ij-omero command."""
