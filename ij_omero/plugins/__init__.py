"""Images of any store as other programs read them: Zarr stores, and plugins of napari and bioio."""
