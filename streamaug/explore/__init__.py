"""Hear and see a store in a browser: a local server, or a static page."""
