"""Plug-ins for streamaug, one per file."""
