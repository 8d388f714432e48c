"""Metadata, planes, tiles and lazy arrays over any pixel source."""
