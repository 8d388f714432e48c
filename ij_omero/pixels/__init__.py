"""The contracts of every backend: pixel source, pixel sink, image store."""
